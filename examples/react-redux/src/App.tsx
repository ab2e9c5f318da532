// The workspace: header, kinds, the list of one kind, and the editor of one item; or the dashboard, or what is to be decided.

import { PersistenceToasts } from "nightferry/react";
import { useLayoutEffect, useState } from "react";
import { Dashboard } from "./Dashboard";
import { Decisions } from "./Decisions";
import { Editor } from "./Editor";
import { Header, type Panel } from "./Header";
import { ItemList } from "./ItemList";
import { type Item, KINDS, type Kind } from "./kinds";
import { Sidebar } from "./Sidebar";
import { collections, useAppDispatch, useAppSelector, useItem } from "./store";
import { useProgress, useReady } from "./sync";
import { Undo } from "./Undo";

export function App() {
  const dispatch = useAppDispatch();
  const [kind, setKind] = useState<Kind>("files");
  const [openId, setOpenId] = useState<string>();
  const [panel, setPanel] = useState<Panel>();
  /** The items that were deleted here and can be brought back, the latest last. */
  const [removed, setRemoved] = useState<readonly { kind: Kind; item: Item }[]>([]);
  const theme = useAppSelector((state) => state.theme);
  const item = useItem(kind, openId);
  const { progressOf, made } = useProgress(kind);
  const { phase, problem } = useReady();

  useLayoutEffect(() => {
    document.documentElement.dataset.theme = theme;
  }, [theme]);

  const choose = (chosen: Kind) => {
    setKind(chosen);
    setOpenId(undefined);
    setPanel(undefined);
  };
  const add = () => {
    const { name, content } = KINDS[kind];
    const added: Item = { id: crypto.randomUUID(), name, content, changedAt: Date.now() };
    dispatch(collections[kind].actions.added(added));
    made(added.id);
    setOpenId(added.id);
  };
  const change = (id: string, changes: Partial<Item>) =>
    dispatch(collections[kind].actions.changed({ id, changes: { ...changes, changedAt: Date.now() } }));
  const remove = (item: Item) => {
    dispatch(collections[kind].actions.removed(item.id));
    setRemoved([...removed, { kind, item }]);
  };
  const undo = ({ kind, item }: { kind: Kind; item: Item }) => {
    dispatch(collections[kind].actions.added(item));
    setRemoved(removed.slice(0, -1));
  };
  const latest = removed.at(-1);

  return (
    <div className="app" data-phase={phase} data-open={item !== undefined}>
      <Header panel={panel} toggle={(chosen) => setPanel(chosen === panel ? undefined : chosen)} />
      <Sidebar kind={panel ? undefined : kind} choose={choose} />
      <main>
        {problem && (
          <div className="problem" role="alert">
            Nothing can be saved now. What was saved before is still on this device. Open this page again. If that does
            not help, tell whoever runs this site.
            <details>
              <summary>The reason, for them</summary>
              {problem}
            </details>
          </div>
        )}
        {panel === "dashboard" && <Dashboard close={() => setPanel(undefined)} />}
        {panel === "decisions" && <Decisions close={() => setPanel(undefined)} />}
        {!panel && (
          <>
            <ItemList
              kind={kind}
              ready={phase !== "opening"}
              openId={item?.id}
              progressOf={progressOf}
              open={setOpenId}
              add={add}
              remove={remove}
            />
            {item ? (
              <Editor
                key={item.id}
                item={item}
                progress={progressOf(item.id)}
                change={(changes) => change(item.id, changes)}
                remove={() => remove(item)}
                close={() => setOpenId(undefined)}
              />
            ) : (
              <section className="nothing">Choose a {KINDS[kind].one}, or add one.</section>
            )}
          </>
        )}
        {latest && (
          <Undo key={latest.item.id} name={latest.item.name} undo={() => undo(latest)} close={() => setRemoved([])} />
        )}
      </main>
      <PersistenceToasts />
    </div>
  );
}
