// Apps as people have them, with the packages that they use. Each is kept and shared with no other change of its code than the
// enhancer and the line `slices` that its row has.

import { combineReducers, createEntityAdapter, createSlice, nanoid, type PayloadAction } from "@reduxjs/toolkit";
import type { Action, Reducer, UnknownAction } from "redux";
import undoable, { ActionCreators } from "redux-undo";
import type { NightferryOptions } from "./options.js";

export interface App {
  name: string;
  reducer: Record<string, Reducer> | Reducer;
  /** The one line that the app writes besides the enhancer. */
  slices: NightferryOptions["slices"];
  /** What its users do: in the first tab, and then in the second, which has heard of that. */
  first: (Action & Record<string, unknown>)[];
  second: (Action & Record<string, unknown>)[];
  /** What the worker has in the end: by slice the ids. */
  kept: Record<string, string[]>;
  /** The part of a tab's state that is shared, if not all is. */
  shared?: (state: never) => unknown;
}

// --- Redux Essentials: a feed of posts. https://redux.js.org/tutorials/essentials/part-4-using-data

interface Post {
  id: string;
  title: string;
  content: string;
  user: string;
  reactions: { thumbsUp: number; heart: number };
}
const feed = createSlice({
  name: "posts",
  initialState: [] as Post[],
  reducers: {
    postAdded: {
      reducer: (state, { payload }: PayloadAction<Post>) => void state.push(payload),
      prepare: (title: string, user: string, id = nanoid()) => ({
        payload: { id, title, content: "", user, reactions: { thumbsUp: 0, heart: 0 } },
      }),
    },
    postUpdated: (state, { payload }: PayloadAction<{ id: string; title: string }>) => {
      const post = state.find(({ id }) => id === payload.id);
      if (post) post.title = payload.title;
    },
    reactionAdded: (state, { payload }: PayloadAction<{ postId: string; reaction: "thumbsUp" | "heart" }>) => {
      const post = state.find(({ id }) => id === payload.postId);
      if (post) post.reactions[payload.reaction] += 1;
    },
  },
});
const { postAdded, postUpdated, reactionAdded } = feed.actions;

/** The same later in the tutorial, when the posts are fetched. */
const fetched = createSlice({
  name: "posts",
  initialState: { posts: [] as Post[], status: "idle", error: null as string | null },
  reducers: {
    loaded: (state) => {
      state.status = "succeeded";
    },
    added: (state, { payload }: PayloadAction<Post>) => void state.posts.push(payload),
    reacted: (state, { payload }: PayloadAction<string>) => {
      const post = state.posts.find(({ id }) => id === payload);
      if (post) post.reactions.heart += 1;
    },
  },
});
const post = (id: string): Post => ({ id, title: id, content: "", user: "u", reactions: { thumbsUp: 0, heart: 0 } });

// --- Redux Fundamentals: todos by id, and filters. https://redux.js.org/tutorials/fundamentals/part-8-modern-redux

interface Entity {
  id: number;
  text: string;
  completed: boolean;
}
const todos = (state = { status: "idle", entities: {} as Record<number, Entity> }, action: UnknownAction) => {
  switch (action.type) {
    case "todos/todoAdded": {
      const todo = action.payload as Entity;
      return { ...state, entities: { ...state.entities, [todo.id]: todo } };
    }
    case "todos/todoToggled": {
      const id = action.payload as number;
      const todo = state.entities[id] as Entity;
      return { ...state, entities: { ...state.entities, [id]: { ...todo, completed: !todo.completed } } };
    }
    case "todos/todoDeleted": {
      const entities = { ...state.entities };
      delete entities[action.payload as number];
      return { ...state, entities };
    }
    default:
      return state;
  }
};
const filters = (state = { status: "All", colors: [] as string[] }, action: UnknownAction) =>
  action.type === "filters/colored" ? { ...state, colors: [...state.colors, action.payload as string] } : state;

// --- The counter of Redux Toolkit's template

const counter = createSlice({
  name: "counter",
  initialState: { value: 0, status: "idle" },
  reducers: {
    incremented: (state) => {
      state.value += 1;
    },
  },
});

// --- An entity adapter with an order of its own

interface Book {
  isbn: string;
  title: string;
}
const sortComparer = (a: Book, b: Book) => a.title.localeCompare(b.title);
const selectId = ({ isbn }: Book) => isbn;
const adapter = createEntityAdapter<Book, string>({ selectId, sortComparer });
const books = createSlice({
  name: "books",
  initialState: adapter.getInitialState({ loading: false }),
  reducers: { bookAdded: adapter.addOne, bookChanged: adapter.updateOne, bookRemoved: adapter.removeOne },
});
const { bookAdded, bookChanged, bookRemoved } = books.actions;

// --- React Redux's first tutorial: allIds and byIds

const initialState = { allIds: [] as number[], byIds: {} as Record<number, { content: string; completed: boolean }> };
const byIds = (state = initialState, action: UnknownAction) => {
  const { id, content } = (action.payload ?? {}) as { id: number; content: string };
  switch (action.type) {
    case "ADD_TODO":
      return { allIds: [...state.allIds, id], byIds: { ...state.byIds, [id]: { content, completed: false } } };
    case "TOGGLE_TODO": {
      const todo = state.byIds[id] as { content: string; completed: boolean };
      return { ...state, byIds: { ...state.byIds, [id]: { ...todo, completed: !todo.completed } } };
    }
    default:
      return state;
  }
};

// --- Todos with undo, the example of redux-undo

const undone = (state: Entity[] = [], action: UnknownAction) => {
  switch (action.type) {
    case "ADD_TODO":
      return [...state, { id: action.id as number, text: action.text as string, completed: false }];
    case "TOGGLE_TODO":
      return state.map((todo) => (todo.id === action.id ? { ...todo, completed: !todo.completed } : todo));
    default:
      return state;
  }
};

const act = (type: string, payload?: unknown) => ({ type, payload });

export const apps: App[] = [
  {
    name: "Redux Essentials, posts",
    reducer: { posts: feed.reducer },
    slices: { posts: {} },
    first: [postAdded("First", "u", "a"), postAdded("Second", "u", "b"), reactionAdded({ postId: "a", reaction: "heart" })], // biome-ignore format: one line
    second: [reactionAdded({ postId: "a", reaction: "heart" }), postUpdated({ id: "b", title: "Changed" })],
    kept: { posts: ["a", "b"] },
  },
  {
    name: "Redux Essentials, posts that are fetched",
    reducer: { posts: fetched.reducer },
    slices: { posts: { select: "posts.posts" } },
    first: [fetched.actions.loaded(), fetched.actions.added(post("a")), fetched.actions.added(post("b"))],
    second: [fetched.actions.reacted("a"), fetched.actions.loaded()],
    kept: { posts: ["a", "b"] },
  },
  {
    name: "Redux Fundamentals, todos and filters",
    reducer: combineReducers({ todos, filters }) as Reducer,
    slices: { todos: { select: "todos.entities" }, filters: { single: true } },
    first: [
      act("todos/todoAdded", { id: 0, text: "a", completed: false }),
      act("todos/todoAdded", { id: 1, text: "b", completed: false }),
      act("filters/colored", "red"),
    ],
    second: [act("todos/todoToggled", 0), act("todos/todoDeleted", 1), act("filters/colored", "blue")],
    kept: { todos: ["0"], filters: ["value"] },
  },
  {
    name: "Redux Toolkit's counter",
    reducer: { counter: counter.reducer },
    slices: { counter: { single: true } },
    first: [counter.actions.incremented(), counter.actions.incremented()],
    second: [counter.actions.incremented()],
    kept: { counter: ["value"] },
  },
  {
    name: "an entity adapter",
    reducer: { books: books.reducer },
    slices: { books: { selectId, sortComparer } },
    first: [bookAdded({ isbn: "2", title: "B" }), bookAdded({ isbn: "1", title: "A" }), bookAdded({ isbn: "3", title: "C" })], // biome-ignore format: one line
    second: [bookChanged({ id: "1", changes: { title: "Z" } }), bookRemoved("3")],
    kept: { books: ["1", "2"] },
  },
  {
    name: "React Redux's todos, byIds and allIds",
    reducer: { todos: byIds as Reducer },
    slices: { todos: {} },
    first: [act("ADD_TODO", { id: 1, content: "a" }), act("ADD_TODO", { id: 2, content: "b" })],
    second: [act("TOGGLE_TODO", { id: 2 })],
    kept: { todos: ["1", "2"] },
    // A tab that begins with nothing does not know that ids are numbers: the items do not say theirs.
    shared: ({ todos }: { todos: typeof initialState }) => [todos.allIds.map(String), todos.byIds],
  },
  {
    name: "redux-undo's todos",
    reducer: { todos: undoable(undone) as Reducer },
    slices: { todos: { select: "todos.present" } },
    first: [{ type: "ADD_TODO", id: 1, text: "a" }, { type: "ADD_TODO", id: 2, text: "b" }, ActionCreators.undo()], // biome-ignore format: one line
    second: [{ type: "TOGGLE_TODO", id: 1 }],
    kept: { todos: ["1"] },
    shared: ({ todos }: { todos: { present: unknown } }) => todos.present,
  },
];

/** What the state of a tab shows of what is shared. */
export const sees = ({ shared = (state: unknown) => state }: App, state: unknown) => plain(shared(state as never));

/** Without what is a matter of each tab: whether its posts or books were loaded. */
const plain = (state: unknown) =>
  JSON.parse(JSON.stringify(state, (key, value) => (key === "status" || key === "loading" ? undefined : value)));
