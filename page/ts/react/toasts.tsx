// Toasts for what a person should know: that sending is paused, and what the worker could not take or do. Changes that are saved
// on this device and wait for the server are no failure, and have none.

import {
  describeStatus,
  type Status,
  subscribeConflicts,
  subscribeErrors,
  subscribeRejected,
  subscribeStatus,
} from "nightferry-client";
import { type ReactElement, useEffect, useMemo, useReducer, useRef } from "react";
import type { NameOf } from "../names.js";
import { NO_NOTICES, type Notice, type StatusNotice, takeNotice } from "./notices.js";
import { styleToasts } from "./toast_style.js";
import { errorText, TOAST_TEXTS, type ToastTexts } from "./toast_text.js";

export interface PersistenceToastsProps {
  /** The most toasts that are shown at once; of more, the latest. Default 4. */
  limit?: number;
  /** The app's words in the place of the English ones, by key. The same object in each render. */
  texts?: Partial<ToastTexts>;
  /** The item's name for people. By default the first of its fields `name`, `title`, `label`, `path`, `subject`, `text`, or its id. */
  nameOf?: NameOf;
}

/** How long "that is over" is shown, unless somebody is on it. */
const OVER_MS = 6_000;

/** Shows failures in a corner of the window until they are dismissed, decided or over. Render it once, anywhere. */
export function PersistenceToasts({ limit = 4, texts, nameOf }: PersistenceToastsProps): ReactElement {
  const [{ list }, take] = useReducer(takeNotice, NO_NOTICES);
  const region = useRef<HTMLElement | null>(null);

  const say = useMemo<ToastTexts>(() => ({ ...TOAST_TEXTS, ...texts }), [texts]);
  const name = useRef(nameOf);
  useEffect(() => {
    name.current = nameOf;
  });

  useEffect(() => {
    let isMounted = true;
    const ends = [
      subscribeStatus((status) => take({ kind: "status", says: paused(status, say), over: say.over })),
      subscribeErrors(async (error) => {
        const said = await errorText(error, say, name.current);
        if (said !== null && isMounted) take({ kind: "worker", ...said });
      }),
      subscribeConflicts((decisions) => take({ kind: "waiting", list: "conflicts", decisions })),
      subscribeRejected((decisions) => take({ kind: "waiting", list: "refusals", decisions })),
    ];
    return () => {
      isMounted = false;
      for (const end of ends) end();
    };
  }, [say]);

  const shown = list.slice(-Math.max(1, limit));
  const hidden = list.length - shown.length;
  const dismiss = (key: number) => {
    const buttons = [...(region.current?.querySelectorAll<HTMLElement>(".nightferry-toast button") ?? [])];
    const at = buttons.findIndex((button) => button.matches(":focus"));
    // The keyboard's place is on the next toast then, and not lost.
    if (at >= 0) (buttons[at + 1] ?? buttons[at - 1])?.focus();
    take({ kind: "dismiss", key });
  };
  const cards = (kind: Notice["kind"]) =>
    shown
      .filter((notice) => notice.kind === kind)
      .map((notice) => <Toast key={notice.key} notice={notice} say={say} dismiss={() => dismiss(notice.key)} />);

  return (
    <section
      className="nightferry-toasts"
      aria-label={say.label}
      ref={(node) => {
        region.current = node;
        styleToasts(node);
      }}
    >
      {hidden > 0 && (
        <div className="nightferry-toasts-rest">
          <span>{say.earlier(hidden)}</span>
          <button type="button" onClick={() => take({ kind: "dismiss" })}>
            {say.dismissAll}
          </button>
        </div>
      )}
      {/* Both are there before anything is in them, so that what comes is read out, and nothing twice. */}
      <div className="nightferry-toasts-list" role="alert" aria-atomic="false">
        {cards("failure")}
      </div>
      <div className="nightferry-toasts-list" role="status" aria-atomic="false">
        {cards("over")}
      </div>
    </section>
  );
}

/** The notice of a status that a person has to do something about. */
function paused(status: Status, say: ToastTexts): StatusNotice | null {
  const { state, text: title, detail: text } = describeStatus(status, say);
  return state === "paused" ? { id: status.errorCode ?? "off", title, text } : null;
}

interface ToastProps {
  notice: Notice;
  say: ToastTexts;
  dismiss: () => void;
}

function Toast({ notice: { kind, title, text, times }, say, dismiss }: ToastProps): ReactElement {
  const card = useRef<HTMLDivElement>(null);
  const latest = useRef(dismiss);
  useEffect(() => {
    latest.current = dismiss;
  });
  useEffect(() => {
    if (kind !== "over") return;
    const end = () => {
      if (card.current?.matches(":hover,:focus-within")) timer = setTimeout(end, OVER_MS);
      else latest.current();
    };
    let timer = setTimeout(end, OVER_MS);
    return () => clearTimeout(timer);
  }, [kind]);

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: Escape is a second way to what its button does
    <div
      ref={card}
      className="nightferry-toast"
      data-kind={kind}
      onKeyDown={(event) => event.key === "Escape" && dismiss()}
    >
      <svg viewBox="0 0 16 16" fill="none" stroke="currentColor" strokeWidth="1.5" aria-hidden="true">
        {kind === "over" ? (
          <path d="M3 8.5 6.5 12 13 4.5" />
        ) : (
          <path d="M8 1.8 15 14H1L8 1.8Zm0 4.7v3.5m0 1.4v.9" strokeLinejoin="round" />
        )}
      </svg>
      <p>
        {title && <strong>{title}. </strong>}
        {text}
      </p>
      {times > 1 && <small>{say.times(times)}</small>}
      <button type="button" aria-label={say.dismiss} onClick={dismiss}>
        <svg viewBox="0 0 16 16" fill="none" stroke="currentColor" strokeWidth="1.8" aria-hidden="true">
          <path d="m2.5 2.5 11 11m0-11-11 11" />
        </svg>
      </button>
    </div>
  );
}
