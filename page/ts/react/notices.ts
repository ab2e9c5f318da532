// Computes the toasts to show, as a pure function. A failure stays until it is dismissed or, if it came with a status, over.

export interface Notice {
  key: number;
  /** A failure, or that what the status told of is over. */
  kind: "failure" | "over";
  title?: string | undefined;
  text: string;
  /** How often it was said; 0 of the status's. */
  times: number;
  /** The decision that it is about: the notice goes once nobody has to make it any more. */
  about?: Decision | undefined;
}

/** A decision that waits for somebody. */
export interface Decision {
  list: "conflicts" | "refusals";
  slice: string;
  itemId: string;
}

/** The notice that the status gives rise to. `id` stays while it is about the same thing, whatever its words. */
export interface StatusNotice {
  id: string;
  title: string;
  text: string;
}

export interface Notices {
  /** Oldest first. */
  list: readonly Notice[];
  nextKey: number;
  /** The notice of the present status, and the key of its toast. */
  present: { id: string; key: number } | null;
}

export type NoticeEvent =
  /** The notice of the status, or null with the words that it is over. */
  | { kind: "status"; says: StatusNotice | null; over: string }
  /** The worker could not take or do something. */
  | { kind: "worker"; text: string; about?: Decision | undefined }
  /** All decisions of a list that wait now. */
  | { kind: "waiting"; list: Decision["list"]; decisions: readonly Pick<Decision, "slice" | "itemId">[] }
  /** Without a key, all of them. */
  | { kind: "dismiss"; key?: number };

export const NO_NOTICES: Notices = { list: [], nextKey: 1, present: null };

export function takeNotice(state: Notices, event: NoticeEvent): Notices {
  const { list, present, nextKey } = state;
  switch (event.kind) {
    case "status": {
      const { says, over } = event;
      if (says?.id === present?.id) return says && present ? renewed(state, present.key, says) : state;
      const isShown = list.some(({ key }) => key === present?.key);
      const kept = { ...state, list: list.filter(({ key }) => key !== present?.key), present: null };
      if (!says) return isShown ? add(kept, { kind: "over", text: over }) : kept;
      return { ...add(kept, { title: says.title, text: says.text }), present: { id: says.id, key: nextKey } };
    }
    case "worker": {
      const { text, about } = event;
      if (!list.some((notice) => notice.text === text)) return add(state, { text, times: 1, about });
      return {
        ...state,
        list: list.map((notice) => (notice.text === text ? { ...notice, times: notice.times + 1 } : notice)),
      };
    }
    case "waiting": {
      const waits = (about: Decision) =>
        event.decisions.some(({ slice, itemId }) => slice === about.slice && itemId === about.itemId);
      const left = list.filter(({ about }) => about?.list !== event.list || waits(about));
      return left.length === list.length ? state : { ...state, list: left };
    }
    case "dismiss":
      return { ...state, list: event.key === undefined ? [] : list.filter(({ key }) => key !== event.key) };
  }
}

/** Gives the toast of this key, if it was not dismissed, the status's present words. */
function renewed(state: Notices, of: number, { title, text }: StatusNotice): Notices {
  const shown = state.list.find(({ key }) => key === of);
  if (!shown || (shown.title === title && shown.text === text)) return state;
  return { ...state, list: state.list.map((notice) => (notice === shown ? { ...shown, title, text } : notice)) };
}

function add(state: Notices, notice: Partial<Notice> & { text: string }): Notices {
  const { list, nextKey } = state;
  // A failure that happened again was not over.
  const others = list.filter(({ kind }) => kind === "failure");
  const added: Notice = { kind: "failure", times: 0, ...notice, key: nextKey };
  return { ...state, list: [...others, added], nextKey: nextKey + 1 };
}
