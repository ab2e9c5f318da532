// What Redux DevTools (`instrument()`) do to a store: they keep the states that each action came to, show any of them, and compute
// them anew. Nothing of that is a change that somebody made.

import type { Action, Store, UnknownAction } from "redux";
import { isObject } from "./fields.js";

/** An action of the app in the store of DevTools. Every other action there is theirs. */
const PERFORM_ACTION = "PERFORM_ACTION";

/** The state of the store in which DevTools keep the app's. */
interface Lifted {
  computedStates: { state: unknown }[];
  isLocked?: boolean;
}

/** The store of DevTools, if the store has one. */
interface Inspected {
  liftedStore?: Store<Lifted>;
}

const isLifted = (state: unknown): state is Lifted =>
  isObject(state) && Array.isArray(state.computedStates) && Array.isArray(state.stagedActionIds);

/** Returns the app's state: of DevTools the newest one, to which the next action is applied, whichever they show. */
export const appState = (state: unknown): unknown =>
  isLifted(state) ? state.computedStates[state.computedStates.length - 1]?.state : state;

/** Returns the state with another one of the app in the place of the newest. */
export const withAppState = (state: unknown, app: unknown): unknown =>
  isLifted(state) ? { ...state, computedStates: [...state.computedStates.slice(0, -1), { state: app }] } : app;

/** Returns the app's action; undefined if it is one of DevTools. */
export function appAction<A extends Action>(state: unknown, action: A): A | undefined {
  if (!isLifted(state)) return action;
  return action.type === PERFORM_ACTION ? (action as unknown as { action: A }).action : undefined;
}

/** A store without what DevTools show. */
export class AppStore {
  /** The store of DevTools, if there are any. They compute all states anew when the reducer is replaced. */
  readonly lifted: Store<Lifted> | undefined;
  readonly #store: Store;

  /** `untracked` calls what DevTools do to the store. */
  constructor(store: Store, untracked: (fn: () => unknown) => unknown) {
    this.#store = store;
    const lifted = isLifted(store.getState()) ? (store as Store<Lifted>) : (store as Inspected).liftedStore;
    this.lifted = lifted;
    if (!lifted) return;
    const { dispatch } = lifted;
    lifted.dispatch = ((action: Action) =>
      action.type === PERFORM_ACTION ? dispatch(action) : untracked(() => dispatch(action))) as typeof dispatch;
  }

  /** The enhancer of DevTools stands outside: this store is theirs. */
  get isInside(): boolean {
    return this.lifted === this.#store;
  }

  getState(): unknown {
    return appState((this.lifted ?? this.#store).getState());
  }

  dispatch(action: UnknownAction): void {
    this.#store.dispatch(this.isInside ? { type: PERFORM_ACTION, action, timestamp: Date.now() } : action);
  }

  /** Returns true if DevTools let no action change the state. */
  isLocked(): boolean {
    return this.lifted?.getState().isLocked === true;
  }
}
