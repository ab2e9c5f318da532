// A custom element in a React app, loaded when it is first shown.

import { createElement, type ReactElement, type ReactNode, useEffect, useState } from "react";

interface LazyElementProps {
  tag: string;
  /** Imports the module that defines the element. The same function each time. */
  load: () => Promise<unknown>;
  /** The element's name in the message that it cannot be loaded. */
  what: string;
  /** Shown while it is loading. */
  fallback: ReactNode;
  /** Of the element: attributes, and a ref. */
  props?: Record<string, unknown>;
}

export function LazyElement({ tag, load, what, fallback, props }: LazyElementProps): ReactElement {
  const [loaded, setLoaded] = useState(false);
  const [failure, setFailure] = useState<string>();
  const [attempt, setAttempt] = useState(1);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another attempt is what runs it again
  useEffect(() => {
    let shown = true;
    load().then(
      () => shown && setLoaded(true),
      (reason: unknown) => shown && setFailure(reason instanceof Error ? reason.message : String(reason)),
    );
    return () => {
      shown = false;
    };
  }, [load, attempt]);

  if (loaded) return createElement(tag, props);
  if (failure === undefined) return <>{fallback}</>;
  const again = () => {
    setFailure(undefined);
    setAttempt(attempt + 1);
  };
  return (
    <div role="alert">
      <p>
        {what} could not be loaded: {failure}. Your changes are not affected. Try again when the network is back, or
        reload the page.
      </p>
      <button type="button" onClick={again}>
        Try again
      </button>
    </div>
  );
}
