// A custom element in a React app, loaded when it is first shown.

import { createElement, type ReactElement, type ReactNode, useEffect, useRef, useState } from "react";

/** The texts of an element that cannot be loaded. */
export interface LoadTexts {
  loadFailed?: string;
  tryAgain?: string;
}

interface LazyElementProps {
  tag: string;
  /** Imports the module that defines the element. The same function each time. */
  load: () => Promise<unknown>;
  /** The element's name in the message that it cannot be loaded. */
  what: string;
  texts?: LoadTexts | undefined;
  /** Shown while it is loading. */
  fallback: ReactNode;
  /** Of the element: attributes, and a ref. */
  props?: Record<string, unknown>;
}

/** Returns a ref that keeps these properties of an element up to date; one that is undefined is left as it is. */
export function useProperties(properties: Record<string, unknown>): (element: HTMLElement | null) => void {
  const shown = useRef<HTMLElement | null>(null);
  const latest = useRef(properties);
  const [set] = useState(() => (element: HTMLElement | null) => {
    shown.current = element;
    if (element) assign(element, latest.current);
  });
  useEffect(() => {
    const before = latest.current;
    latest.current = properties;
    const changed = Object.entries(properties).filter(([name, value]) => value !== before[name]);
    if (shown.current) assign(shown.current, Object.fromEntries(changed));
  });
  return set;
}

function assign(element: HTMLElement, properties: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(properties)) {
    if (value !== undefined) Object.assign(element, { [name]: value });
  }
}

export function LazyElement({ tag, load, what, texts, fallback, props }: LazyElementProps): ReactElement {
  const [loaded, setLoaded] = useState(false);
  const [hasFailed, setHasFailed] = useState(false);
  const [attempt, setAttempt] = useState(1);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another attempt is what runs it again
  useEffect(() => {
    let shown = true;
    load().then(
      () => shown && setLoaded(true),
      (reason: unknown) => {
        console.error(`Nightferry: ${tag} could not be loaded:`, reason);
        if (shown) setHasFailed(true);
      },
    );
    return () => {
      shown = false;
    };
  }, [load, attempt]);

  if (loaded) return createElement(tag, props);
  if (!hasFailed) return <>{fallback}</>;
  const again = () => {
    setHasFailed(false);
    setAttempt(attempt + 1);
  };
  return (
    <div role="alert">
      <p>
        {texts?.loadFailed ??
          `${what} could not be loaded. Your changes are not affected. Try again when the network is back, or reload the page.`}
      </p>
      <button type="button" onClick={again}>
        {texts?.tryAgain ?? "Try again"}
      </button>
    </div>
  );
}
