// `usePersistence`: what the page's API says and does, for a component. The component renders again only when a part
// changes that it has read.

import {
  type AutoSyncConfig,
  configureAutoSync,
  configurePersistence,
  disablePersistence,
  enablePersistence,
  flushPersistence,
  type NightferryError,
  resetSyncMetrics,
  type SliceConfig,
  subscribeStatus,
  subscribeSyncMetrics,
  syncNow,
} from "nightferry-client";
import { useEffect, useState, useSyncExternalStore } from "react";
import { secondsClock } from "./clock.js";
import {
  type Parts,
  type PersistenceAutoSync,
  type PersistenceMetrics,
  type PersistenceStatus,
  PRESENT,
  SERVER,
  type Source,
} from "./parts.js";

/** The state of Nightferry for a component, and its functions. The functions are the same in every render. */
export interface Persistence extends Actions {
  readonly status: PersistenceStatus;
  readonly metrics: PersistenceMetrics;
  readonly autoSyncStatus: PersistenceAutoSync;
}

interface Actions {
  /** Resolves when everything dispatched before is committed in IndexedDB; rejects if that failed (it is kept). */
  flush(this: void): Promise<void>;
  /** Changes a slice's settings, in every tab. The console says what was refused. */
  configure(this: void, sliceName: string, config: SliceConfig): void;
  enable(this: void, sliceName: string): void;
  disable(this: void, sliceName: string): void;
  resetMetrics(this: void): void;
  /** Changes when the device syncs on its own, in every tab. The console says what was refused. */
  configureAutoSync(this: void, config: AutoSyncConfig): void;
  /** Sends everything now; resolves when the server has it, rejects if it could not be reached. */
  syncNow(this: void): Promise<void>;
}

/**
 * Nightferry's state and functions. Reading `status`, `metrics`, `autoSyncStatus` or its `nextSyncIn` makes the component
 * render again whenever that changes, and nothing else does. When the component unmounts, what was dispatched is
 * committed at once.
 */
export function usePersistence(): Persistence {
  const [reader] = useState(() => new Reader());
  const view = useSyncExternalStore(reader.subscribe, reader.present, reader.server);
  useEffect(reader.keepTime);
  useEffect(() => flushOnUnmount, []);
  return view;
}

/** A component's view: the parts that it has read, as they were when it first read them. */
interface View {
  shown: Partial<Parts>;
  result: Persistence;
}

/** Records the parts that one component has read. Such a part stays watched, because renders may be repeated and dropped. */
class Reader {
  private readonly read = new Set<keyof Parts>();
  private view?: View;
  private serverView?: View;
  /** The last `autoSyncStatus`, and what it was made of: another view shows the same object while that is the same. */
  private auto?: Pick<Partial<Parts>, "autoSync" | "nextSyncIn"> & { result: PersistenceAutoSync };
  private changed?: () => void;
  private endTime?: () => void;

  subscribe = (changed: () => void): (() => void) => {
    this.changed = changed;
    const ends = [subscribeStatus(() => changed()), subscribeSyncMetrics(() => changed())];
    return () => {
      for (const end of ends) end();
      this.endTime?.();
      this.changed = this.endTime = undefined;
    };
  };

  /** The same object until a part that was read has changed. */
  present = (): Persistence => {
    const { view } = this;
    const same = view && [...this.read].every((part) => view.shown[part] === PRESENT[part]());
    this.view = same ? view : this.look(PRESENT);
    return this.view.result;
  };

  server = (): Persistence => {
    this.serverView ??= this.look(SERVER);
    return this.serverView.result;
  };

  /** Once it is shown, the time until the next sync is counted down. */
  keepTime = (): void => {
    if (this.changed && this.read.has("nextSyncIn")) this.endTime ??= secondsClock.subscribe(this.changed);
  };

  private look(source: Source): View {
    const shown: Partial<Parts> = {};
    const read = <Part extends keyof Parts>(part: Part): Parts[Part] => {
      this.read.add(part);
      if (!(part in shown)) shown[part] = source[part]();
      return shown[part] as Parts[Part];
    };
    for (const part of this.read) read(part);
    let auto: PersistenceAutoSync | undefined;
    const autoSyncStatus = () => {
      const autoSync = read("autoSync");
      auto ??= this.autoSyncStatus(autoSync, shown.nextSyncIn, () => read("nextSyncIn"));
      return auto;
    };
    // Own, enumerable getters: the object can be spread, which reads all of it.
    const result = {
      get status() {
        return read("status");
      },
      get metrics() {
        return read("metrics");
      },
      get autoSyncStatus() {
        return autoSyncStatus();
      },
      ...actions,
    };
    return { shown, result };
  }

  /** `nextSyncIn` is undefined until it was read. */
  private autoSyncStatus(
    autoSync: Parts["autoSync"],
    nextSyncIn: number | null | undefined,
    readNextSyncIn: () => number | null,
  ): PersistenceAutoSync {
    if (this.auto?.autoSync !== autoSync || this.auto.nextSyncIn !== nextSyncIn) {
      const result = {
        ...autoSync,
        get nextSyncIn() {
          return readNextSyncIn();
        },
      };
      this.auto = { autoSync, nextSyncIn, result };
    }
    return this.auto.result;
  }
}

const actions: Actions = {
  flush: () => reported(flushPersistence()),
  configure: (sliceName, config) => void reported(configurePersistence(sliceName, config)),
  enable: (sliceName) => void reported(enablePersistence(sliceName)),
  disable: (sliceName) => void reported(disablePersistence(sliceName)),
  resetMetrics: resetSyncMetrics,
  configureAutoSync: (config) => void reported(configureAutoSync(config)),
  syncNow: () => reported(syncNow()),
};

/** The same promise; the console says why it was rejected, so that an `onClick={syncNow}` needs no handler. */
function reported(promise: Promise<void>): Promise<void> {
  promise.catch(report);
  return promise;
}

function report({ code, message }: NightferryError): void {
  console.error(code ? `Nightferry (${code}): ${message}` : `Nightferry: ${message}`);
}

let unmounting = false;

/** Components that unmount together flush together. */
function flushOnUnmount(): void {
  if (unmounting) return;
  unmounting = true;
  queueMicrotask(() => {
    unmounting = false;
    flushPersistence().catch((error: NightferryError) => {
      // Then there is nothing to flush.
      if (error.code !== "not_registered") report(error);
    });
  });
}
