// The base of both elements: a list of cards, one for each decision, that follows the page's API. The keyboard's place
// stays where it is when a card changes, and goes to the next card when one is done.

import type { NameOf } from "../names.js";
import { make, setText, takeOwn } from "../nodes.js";
import { adopt } from "../theme.js";
import { STYLE } from "./style.js";
import { type ConflictTexts, TEXT } from "./text.js";

/** Times are shown relative to now. */
const TICK_MS = 20_000;
/** The time for which the result of a decision is shown, in ms. It stays longer while it has the focus. */
const SAID_MS = 15_000;

/** The base class. Without a document, as when a server renders, it is an empty class that is never instantiated. */
export const Base = globalThis.HTMLElement ?? (class {} as typeof HTMLElement);

/** A card of the list. */
export interface Card<T> {
  node: HTMLElement;
  /** Takes what the card is about in a newer form. */
  take(entry: T): void;
  /** Shows what depends on the time, in epoch ms. */
  tick(now: number): void;
}

export interface Entry {
  id: string;
  slice: string;
  itemId: string;
}

/** The texts and cards of a list. */
export interface ListOptions<T> {
  heading(): string;
  /** Said when the last one is done. */
  none(): string;
  subscribe(fn: (entries: T[]) => void): () => void;
  /** Returns the key by which a card is kept when its entry changes. */
  keyOf(entry: T): string;
  /** `prefix` makes ids that are the page's only ones; `say` reads a text aloud. */
  card(entry: T, prefix: string, say: (text: string) => void): Card<T>;
}

let lists = 0;

export abstract class ListElement<T extends Entry> extends Base {
  /** Shows only this slice's, or only this item's. */
  static readonly observedAttributes = ["slice", "item"];
  /** The items' names for people. Declared alone: what a page has set before the element's code is loaded stays. */
  declare nameOf?: NameOf | undefined;
  readonly #cards = new Map<string, Card<T>>();
  readonly #list = `nightferry-${++lists}`;
  #made = 0;
  #entries: readonly T[] = [];
  #end: (() => void) | undefined;
  #heading: HTMLElement | undefined;
  #body: HTMLElement | undefined;
  #said: HTMLElement | undefined;
  #saidAt = 0;

  protected abstract readonly options: ListOptions<T>;

  /** The app's texts in the place of the English ones, by key, for all such elements of the page. */
  get texts(): Partial<ConflictTexts> {
    return TEXT;
  }

  set texts(texts: Partial<ConflictTexts>) {
    Object.assign(TEXT, texts);
    if (!this.#heading) return;
    for (const card of this.#cards.values()) card.node.remove();
    this.#cards.clear();
    setText(this.#heading, this.options.heading());
    this.#show(this.#entries);
  }

  connectedCallback(): void {
    takeOwn(this, "texts");
    if (!this.shadowRoot) this.#build(this.attachShadow({ mode: "open" }));
    const end = this.options.subscribe((entries) => this.#show(entries));
    const timer = setInterval(() => this.#tick(), TICK_MS);
    this.#end = () => {
      end();
      clearInterval(timer);
    };
    this.#show(this.#entries);
  }

  disconnectedCallback(): void {
    this.#end?.();
    this.#end = undefined;
  }

  attributeChangedCallback(): void {
    if (this.#body) this.#show(this.#entries);
  }

  #build(root: ShadowRoot): void {
    adopt(root, STYLE);
    this.#heading = make("h2", { tabindex: "-1" }, this.options.heading());
    this.#said = make("p", { class: "said", role: "status" });
    this.#body = make("div", { class: "cards" });
    root.append(make("div", { class: "list" }, this.#heading, this.#said, this.#body));
  }

  #show(entries: readonly T[]): void {
    this.#entries = entries;
    const [slice, item] = [this.getAttribute("slice"), this.getAttribute("item")];
    const shown = entries.filter(
      (entry) => (slice === null || entry.slice === slice) && (item === null || entry.itemId === item),
    );
    const keys = new Map(shown.map((entry) => [this.options.keyOf(entry), entry]));
    const order = [...this.#cards.keys()];
    for (const [key, card] of this.#cards) {
      if (!keys.has(key)) this.#remove(key, card, order);
    }
    for (const [key, entry] of keys) {
      const card = this.#cards.get(key);
      if (card) this.#keepFocus(card, () => card.take(entry));
      else this.#add(key, entry);
    }
    const isEmpty = this.#cards.size === 0;
    if (this.#heading) this.#heading.hidden = isEmpty;
    this.#tick();
  }

  #add(key: string, entry: T): void {
    this.#made += 1;
    // The sentence about the last one, such as that nothing is left, is not true any more.
    if (this.#said) setText(this.#said, "");
    const card = this.options.card(entry, `${this.#list}-${this.#made}`, (text) => this.say(text));
    this.#cards.set(key, card);
    this.#body?.append(card.node);
  }

  #remove(key: string, card: Card<T>, order: string[]): void {
    const hadFocus = card.node.contains(this.shadowRoot?.activeElement ?? null);
    card.node.remove();
    this.#cards.delete(key);
    if (!hadFocus) return;
    const next =
      order.slice(order.indexOf(key) + 1).find((other) => this.#cards.has(other)) ?? [...this.#cards.keys()][0];
    const heading = next === undefined ? undefined : this.#cards.get(next)?.node.querySelector<HTMLElement>("h3");
    if (heading) heading.focus();
    else {
      this.say(`${this.#said?.textContent ?? ""} ${this.options.none()}`.trim());
      this.#said?.setAttribute("tabindex", "-1");
      this.#said?.focus();
    }
  }

  /** Performs `change`, which replaces the card's nodes, and focuses again the part that had the focus. */
  #keepFocus(card: Card<T>, change: () => void): void {
    const active = this.shadowRoot?.activeElement;
    const id = active && card.node.contains(active) ? active.id : "";
    change();
    if (id && this.shadowRoot?.activeElement !== active) this.shadowRoot?.getElementById(id)?.focus();
  }

  /** Says a text to everybody, and aloud. */
  protected say(text: string): void {
    this.#saidAt = Date.now();
    if (this.#said) setText(this.#said, text);
    this.#markEmpty();
  }

  /** An element with nothing to decide takes no room, but for what it has just said. */
  #markEmpty(): void {
    this.toggleAttribute("data-empty", this.#cards.size === 0 && !this.#said?.textContent);
  }

  #tick(): void {
    const now = Date.now();
    for (const card of this.#cards.values()) card.tick(now);
    const isRead = now - this.#saidAt > SAID_MS && this.shadowRoot?.activeElement !== this.#said;
    if (isRead && this.#said) setText(this.#said, "");
    this.#markEmpty();
  }
}
