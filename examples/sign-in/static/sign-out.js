// Signing out takes everything of the user's from this device. What only this device has is sent, saved or thrown away, as
// the user says. A saved file can be loaded again after signing in.

import { exportUnsent, importUnsent, signOut, syncNow } from "/nightferry/client.js";
import { isReachable } from "./server.js";

const OFFLINE =
  "Signing out needs the network, and the server cannot be reached. Nothing was changed; your notes stay on this device.";
const STILL_SIGNED_IN =
  "The server did not answer, so you are still signed in. Reload the page once you are online, and sign out again.";

const dialog = document.querySelector("#unsent");
const file = document.querySelector("#file");

/**
 * Makes the button and the field for a file work.
 * @param page how the session ends (`endSession`), and what the page does: `showSignIn`, `showAll`, `showNotice`.
 */
export function prepareSignOut(page) {
  document.querySelector("#sign-out").addEventListener("click", () => start(page));
  dialog.addEventListener("click", ({ target }) => choose(target.dataset.choice, page));
  file.addEventListener("change", () => load(page));
}

/** Signs out, or asks what is to become of changes that only this device has. */
async function start(page) {
  page.showNotice("");
  if (await isReachable()) await leaveDevice({}, page);
  else page.showNotice(OFFLINE);
}

/** Signs out. Asks the user where something would be lost, and returns false then. */
async function leaveDevice(options, page) {
  const error = await failureOf(signOut(options));
  if (error?.code === "unsent") return ask();
  // The session ends all the same, as it has to on a computer of other people.
  const isSignedIn = await failureOf(page.endSession());
  if (!error && !isSignedIn) page.showSignIn();
  dialog.close();
  if (isSignedIn) page.showNotice(STILL_SIGNED_IN);
  else if (error) page.showNotice(`You are signed out, but your notes may still be on this device. ${error.message}`);
  return true;
}

const failureOf = (promise) =>
  promise.then(
    () => undefined,
    (error) => error,
  );

// The question what is to become of unsent changes.

const changes = (count) => (count === 1 ? "1 change" : `${count} changes`);

async function ask() {
  const { items } = JSON.parse(await (await exportUnsent()).text());
  const [are, them] = items.length === 1 ? ["is", "this change"] : ["are", "these changes"];
  document.querySelector("#unsent-text").textContent =
    `${changes(items.length)} ${are} only on this device, and signing out removes your notes from it. What should happen to ${them}?`;
  offerToLeave(false);
  if (!dialog.open) dialog.showModal();
  return false;
}

async function choose(choice, page) {
  if (!choice) return;
  say("");
  try {
    if (choice === "stay") dialog.close();
    else if (choice === "save") await save();
    else if (!(await isReachable())) say(OFFLINE);
    else if (choice === "send") await send(page);
    else await leaveDevice({ discard: true }, page);
  } catch (error) {
    say(`${error.message} Nothing was thrown away.`);
  }
}

async function send(page) {
  await syncNow();
  if (!(await leaveDevice({}, page))) say("Not everything could be sent: some notes wait for your decision.");
}

/** Lets the browser save a file. No script can see whether the file is there, so the user says so. */
async function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await exportUnsent());
  link.download = `unsent-notes-${new Date().toISOString().slice(0, 10)}.json`;
  link.click();
  say(`Your browser saves the file ${link.download}. Sign out once you see it among your downloads.`);
  offerToLeave(true);
}

function offerToLeave(isSaved) {
  const button = document.querySelector("[data-choice=saved]");
  button.hidden = !isSaved;
  if (isSaved) button.focus();
}

function say(text) {
  document.querySelector("#unsent-problem").textContent = text;
}

// A file that was saved.

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
