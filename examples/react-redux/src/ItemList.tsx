import { type Item, KINDS, type Kind, named } from "./kinds";
import { useItems } from "./store";
import { PROGRESS, type Progress } from "./sync";

interface Props {
  kind: Kind;
  ready: boolean;
  openId: string | undefined;
  progressOf: (id: string) => Progress;
  open: (id: string) => void;
  add: () => void;
  remove: (item: Item) => void;
}

/** The items of one kind. */
export function ItemList({ kind, ready, openId, progressOf, open, add, remove }: Props) {
  const items = useItems(kind);
  const { label, one } = KINDS[kind];
  return (
    <section className="list" aria-label={label}>
      <div className="list-head">
        <h2>{label}</h2>
        <button type="button" className="primary add" aria-label={`Add a ${one}`} onClick={add}>
          + Add
        </button>
      </div>
      {items.length === 0 && (
        <p className="empty">{ready ? `No ${one} yet. What you add is saved on this device at once.` : "Opening…"}</p>
      )}
      <ul>
        {items.map((item) => (
          <li key={item.id} data-id={item.id} data-progress={progressOf(item.id)} data-open={item.id === openId}>
            <button type="button" className="open" onClick={() => open(item.id)}>
              <span className="name">{named(item.name)}</span>
              <span className="progress">{PROGRESS[progressOf(item.id)]}</span>
            </button>
            <button
              type="button"
              className="icon"
              aria-label={`Delete ${named(item.name)}`}
              onClick={() => remove(item)}
            >
              ✕
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
