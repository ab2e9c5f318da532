import { type Item, named } from "./kinds";
import { settings, useAppDispatch, useAppSelector } from "./store";
import { PROGRESS, type Progress } from "./sync";

interface Props {
  item: Item;
  progress: Progress;
  change: (changes: Partial<Item>) => void;
  remove: () => void;
  close: () => void;
}

const SIZES = [12, 14, 16, 20];

/** One item: its name, its content, and how the editor shows it. */
export function Editor({ item, progress, change, remove, close }: Props) {
  const dispatch = useAppDispatch();
  const { wrap, fontSize } = useAppSelector((state) => state.settings);
  return (
    <section className="editor" aria-label={named(item.name)}>
      <div className="editor-head">
        <button type="button" className="back" onClick={close}>
          ‹ Back
        </button>
        <input
          className="rename"
          aria-label="Name"
          placeholder="Name"
          value={item.name}
          onChange={(event) => change({ name: event.target.value })}
        />
        <button type="button" className="delete" onClick={remove}>
          Delete
        </button>
      </div>
      <textarea
        aria-label="Content"
        spellCheck={false}
        wrap={wrap ? "soft" : "off"}
        style={{ fontSize }}
        value={item.content}
        onChange={(event) => change({ content: event.target.value })}
      />
      <footer>
        <span className="progress" data-progress={progress}>
          {PROGRESS[progress]}
        </span>
        <label>
          <input
            type="checkbox"
            className="wrap"
            checked={wrap}
            onChange={(event) => dispatch(settings.actions.changed({ wrap: event.target.checked }))}
          />
          Wrap lines
        </label>
        <select
          aria-label="Size of the text"
          value={fontSize}
          onChange={(event) => dispatch(settings.actions.changed({ fontSize: Number(event.target.value) }))}
        >
          {SIZES.map((size) => (
            <option key={size} value={size}>
              {size} px
            </option>
          ))}
        </select>
      </footer>
    </section>
  );
}
