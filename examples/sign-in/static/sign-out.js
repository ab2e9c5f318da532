// Signing out takes everything of the user's from this device. What only this device has is sent, saved or thrown away, as
// the user says. A saved file can be loaded again after signing in.

import { exportUnsent, importUnsent, signOut, syncNow } from "/nightferry/client.js";
import { isReachable } from "./server.js";

const OFFLINE =
  "Signing out needs the network, and the server cannot be reached. Nothing was changed; your notes stay on this device.";
const STILL_SIGNED_IN =
  "Your notes are gone from this device, and the server has them. It did not answer when the session was to end: reload the page and sign out again.";

const button = document.querySelector("#sign-out");
const dialog = document.querySelector("#unsent");
const file = document.querySelector("#file");

const changes = (count) => (count === 1 ? "1 change" : `${count} changes`);

/**
 * Makes the button and the field for a file work.
 * @param page how the session ends (`endSession`), and what the page does: `leave`, `showAll`, `showProblem`.
 */
export function prepareSignOut(page) {
  button.disabled = false;
  button.addEventListener("click", () => start(page));
  dialog.addEventListener("click", ({ target }) => choose(target.dataset.choice, page));
  file.addEventListener("change", () => load(page));
}

/** Signs out, or asks what is to become of changes that only this device has. */
async function start(page) {
  page.showProblem("");
  if (!(await isReachable())) return page.showProblem(OFFLINE);
  await attempt({}, page).catch((error) => page.showProblem(error.message));
}

/** Signs out. Asks the user where something would be lost, and returns false then. */
async function attempt(options, page) {
  try {
    await signOut(options);
  } catch (error) {
    if (error.code !== "unsent") throw error;
    await ask();
    return false;
  }
  await page.endSession().then(page.leave, () => {
    dialog.close();
    page.showProblem(STILL_SIGNED_IN);
  });
  return true;
}

async function ask() {
  const { items } = JSON.parse(await (await exportUnsent()).text());
  const [are, them] = items.length === 1 ? ["is", "it"] : ["are", "them"];
  document.querySelector("#unsent-text").textContent =
    `${changes(items.length)} ${are} only on this device, and signing out takes your notes from it. What shall become of ${them}?`;
  if (!dialog.open) dialog.showModal();
}

async function choose(choice, page) {
  if (!choice) return;
  showProblem("");
  if (choice === "stay") return dialog.close();
  try {
    if (!(await isReachable())) return showProblem(OFFLINE);
    if (choice === "send") {
      await syncNow();
      if (!(await attempt({}, page))) showProblem("Not everything could be sent: some notes wait for your decision.");
    } else {
      if (choice === "save") save(await exportUnsent());
      await attempt({ discard: true }, page);
    }
  } catch (error) {
    showProblem(`${error.message} Nothing was thrown away.`);
  }
}

function showProblem(text) {
  document.querySelector("#unsent-problem").textContent = text;
}

/** Lets the browser save a file. */
function save(content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = `unsent-notes-${new Date().toISOString().slice(0, 10)}.json`;
  link.click();
}

/** Makes the changes of a saved file here. */
async function load({ showAll }) {
  const result = document.querySelector("#loaded");
  const [chosen] = file.files;
  if (!chosen) return;
  result.textContent = "";
  try {
    const { imported, skipped } = await importUnsent(chosen);
    await showAll();
    result.textContent = loadedText(imported, skipped.length);
  } catch (error) {
    result.textContent = error.message;
  }
  file.value = "";
}

function loadedText(imported, skipped) {
  if (!imported && !skipped) return "Your notes have all changes of this file already.";
  const loaded = imported ? `${changes(imported)} loaded.` : "Nothing was loaded.";
  if (!skipped) return loaded;
  const notes = skipped === 1 ? "1 note was changed since, and is" : `${skipped} notes were changed since, and are`;
  return `${loaded} ${notes} left alone. The file still has what you wrote.`;
}
