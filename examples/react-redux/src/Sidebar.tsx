import { KINDS, type Kind, kindNames } from "./kinds";
import { useAppSelector } from "./store";

interface Props {
  /** The kind that is shown. */
  kind: Kind | undefined;
  choose: (kind: Kind) => void;
}

/** The kinds, with how many there are of each. */
export function Sidebar({ kind, choose }: Props) {
  return (
    <nav aria-label="Kinds">
      {kindNames.map((name) => (
        <Entry key={name} name={name} current={name === kind} choose={choose} />
      ))}
    </nav>
  );
}

function Entry({ name, current, choose }: { name: Kind; current: boolean; choose: (kind: Kind) => void }) {
  const count = useAppSelector((state) => state[name].ids.length);
  return (
    <button
      type="button"
      data-kind={name}
      aria-current={current ? "page" : undefined}
      onClick={(event) => {
        choose(name);
        event.currentTarget.scrollIntoView({ block: "nearest", inline: "center" });
      }}
    >
      {KINDS[name].label}
      <span className="count">{count}</span>
    </button>
  );
}
