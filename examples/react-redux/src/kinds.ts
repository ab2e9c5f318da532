// The things of the workspace: six kinds, each a slice of the store.

export interface Item {
  id: string;
  name: string;
  content: string;
  changedAt: number;
}

/** An item's name, also where it has none. */
export const named = (name: string) => name || "Without a name";

/** How each kind is called, and what a new one of it begins with. */
export const KINDS = {
  files: { label: "Files", one: "file", name: "notes.md", content: "# Notes\n" },
  models: {
    label: "Models",
    one: "model",
    name: "Customer",
    content: "name: text\nemail: text, unique\nsince: date\n",
  },
  components: {
    label: "Components",
    one: "component",
    name: "Greeting",
    content: "export const Greeting = ({ name }) => <p>Hello, {name}</p>;\n",
  },
  componentTrees: {
    label: "Component trees",
    one: "component tree",
    name: "Home page",
    content: "Page\n  Header\n  List of Customer\n    Greeting\n",
  },
  workflows: {
    label: "Workflows",
    one: "workflow",
    name: "Welcome mail",
    content: "when a Customer is added\n  wait 1 hour\n  run sendMail\n",
  },
  lambdas: {
    label: "Functions",
    one: "function",
    name: "sendMail",
    content: "export async function sendMail({ email }) {\n  return { to: email };\n}\n",
  },
} as const;

export type Kind = keyof typeof KINDS;

export const kindNames = Object.keys(KINDS) as Kind[];
