import assert from "node:assert/strict";
import { test } from "node:test";
import { describeStatus, getStatus, type State, type Status } from "nightferry-client";

const said = (status: Partial<Status>) => describeStatus({ ...getStatus(), ...status });
const online: Partial<Status> = { connection: "online", flaskConnected: true };

test("f68: five words say how things are, and the detail says what is safe and what to do", () => {
  const cases: [Partial<Status>, State, string, RegExp][] = [
    [{ ...online }, "up-to-date", "Up to date", /^The server has everything\.$/],
    [{ ...online, othersWaiting: 1 }, "up-to-date", "Up to date", /Another user.*signs in/],
    [{ ...online, pending: 3 }, "sending", "Sending 3", /kept on this device/],
    [{ ...online, pending: 9, progress: { done: 3, total: 9 } }, "sending", "Sending 9", /3 of 9/],
    [{ ...online, progress: { done: 3, total: 9 } }, "sending", "Receiving", /3 of 9/],
    [{ connection: "local-only" }, "saved", "Saved on this device", /go on working/],
    [{ connection: "local-only", pending: 2, errorCode: "unreachable" }, "saved", "Saved on this device", /2 changes/],
    [{ ...online, pending: 1, errorCode: "busy" }, "saved", "Saved on this device", /1 change is kept/],
    [{ ...online, pending: 1, errorCode: "deferred" }, "saved", "Saved on this device", /cannot take/],
    [{ ...online, pending: 2, errorCode: "unauthenticated" }, "paused", "Paused", /2 changes.*Sign in again/],
    [{ errorCode: "wrong_user" }, "paused", "Paused", /[Ll]eave/],
    [{ ...online, errorCode: "storage_full" }, "paused", "Paused", /room/],
    [{ errorCode: "no_worker", pending: 1 }, "paused", "Paused", /^This page cannot save now/],
    [{ ...online, pending: 1, errorCode: "not_nightferry" }, "paused", "Paused", /1 change is kept.*network/],
    [{ ...online, pending: 1, errorCode: "other" }, "paused", "Paused", /1 change is kept.*operator/],
    [{ ...online, enabled: false }, "paused", "Paused", /switched off/],
    [{ ...online, conflicts: 1, rejected: 1, errorCode: "rejected" }, "needs-you", "Needs you (2)", /refused 1 change/],
    [{ ...online, conflicts: 2, pending: 1 }, "needs-you", "Needs you (2)", /2 items were changed here and elsewhere/],
    [{ connection: "local-only", conflicts: 1 }, "needs-you", "Needs you (1)", /kept/],
    [{ ...online, rejected: 1, errorCode: "unauthenticated" }, "paused", "Paused", /Sign in/],
    [{ ...online, pending: 1, errorCode: "slow" }, "sending", "Sending 1", /slow/],
  ];
  for (const [status, state, text, detail] of cases) {
    const words = said(status);
    assert.deepEqual([words.state, words.text], [state, text], JSON.stringify(status));
    assert.match(words.detail, detail);
  }
});

test("f68: before the first answer nothing says that the server is out of reach", () => {
  assert.deepEqual([said({}).state, said({}).text], ["sending", "Connecting"]);
  for (const errorCode of [null, "unreachable", "busy", "server_error"] as const) {
    assert.equal(said({ errorCode, pending: 2 }).text, "Sending 2");
    const { text, detail } = said({ errorCode });
    assert.doesNotMatch(`${text} ${detail}`, /offline|reach|does not answer|Saved/i);
  }
});

test("f68: no text for users has a developer's words, and each can be translated", () => {
  const developers = /api|prox|register|HTTP|\b[45]\d\d\b|console|worker|NIGHTFERRY/i;
  const codes = ["not_nightferry", "declined", "too_large", "storage", "unreadable", "no_worker", "other"] as const;
  for (const errorCode of codes) {
    const { detail } = said({ ...online, pending: 1, errorCode, error: "Check the option api of register()." });
    assert.doesNotMatch(detail, developers, errorCode);
  }
  const german = describeStatus(
    { ...getStatus(), ...online, pending: 2, errorCode: "unauthenticated" },
    {
      paused: "Angehalten",
      kept: (n) => `${n} Änderungen sind hier gesichert.`,
      unauthenticated: "Bitte neu anmelden.",
    },
  );
  assert.deepEqual(german, {
    state: "paused",
    text: "Angehalten",
    detail: "2 Änderungen sind hier gesichert. Bitte neu anmelden.",
  });
});
