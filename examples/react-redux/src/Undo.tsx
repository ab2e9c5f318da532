import { useEffect, useRef } from "react";
import { named } from "./kinds";

const LONGEST = 40;
const shortened = (name: string) => (name.length > LONGEST ? `${name.slice(0, LONGEST - 1)}…` : name);

interface Props {
  name: string;
  undo: () => void;
  close: () => void;
}

/** The line that brings back what was deleted last. It stays until it is used or closed, and begins with the keyboard's focus. */
export function Undo({ name, undo, close }: Props) {
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => button.current?.focus(), []);
  return (
    <div className="undo">
      <span id="undo-text">“{shortened(named(name))}” is deleted.</span>
      <button type="button" ref={button} aria-describedby="undo-text" onClick={undo}>
        Undo
      </button>
      <button type="button" className="icon" aria-label="Close" onClick={close}>
        ✕
      </button>
    </div>
  );
}
