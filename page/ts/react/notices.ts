// Computes the toasts to show, as a pure function. A failure stays until it is dismissed or, if it came with a status, over.

export interface Notice {
  key: number;
  /** A failure, or that what the status told of is over. */
  kind: "failure" | "over";
  text: string;
  /** How often the worker said it. */
  times: number;
  /** It is the status's present error. */
  present: boolean;
}

export interface Notices {
  /** Oldest first. */
  list: readonly Notice[];
  nextKey: number;
}

export type NoticeEvent =
  /** The status's error is another one now. */
  | { kind: "status"; error: string | null }
  /** The worker could not take or do something. */
  | { kind: "worker"; text: string }
  /** Without a key, all of them. */
  | { kind: "dismiss"; key?: number };

export const NO_NOTICES: Notices = { list: [], nextKey: 1 };

const OVER = "That is over: changes are kept and sent again.";

export function takeNotice(state: Notices, event: NoticeEvent): Notices {
  const { list } = state;
  switch (event.kind) {
    case "status": {
      const { error } = event;
      if (list.some(({ present, text }) => present && text === error)) return state;
      // A message of the worker, such as one about a refused change, is not over with the status's error.
      const kept = list.filter(({ present, times }) => !present || times > 0);
      const after = { ...state, list: kept.map((notice) => (notice.present ? { ...notice, present: false } : notice)) };
      if (error === null) return kept.length < list.length ? add(after, { kind: "over", text: OVER }) : after;
      const said = after.list.some(({ text }) => text === error);
      if (!said) return add(after, { text: error, present: true });
      return {
        ...after,
        list: after.list.map((notice) => (notice.text === error ? { ...notice, present: true } : notice)),
      };
    }
    case "worker": {
      const { text } = event;
      if (!list.some((notice) => notice.text === text)) return add(state, { text, times: 1 });
      return {
        ...state,
        list: list.map((notice) => (notice.text === text ? { ...notice, times: notice.times + 1 } : notice)),
      };
    }
    case "dismiss":
      return { ...state, list: event.key === undefined ? [] : list.filter(({ key }) => key !== event.key) };
  }
}

function add({ list, nextKey }: Notices, notice: Partial<Notice> & { text: string }): Notices {
  // A failure that happened again was not over.
  const others = list.filter(({ kind }) => kind === "failure");
  const added: Notice = { kind: "failure", times: 0, present: false, ...notice, key: nextKey };
  return { list: [...others, added], nextKey: nextKey + 1 };
}
