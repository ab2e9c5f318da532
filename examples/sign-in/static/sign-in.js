// Signs in: with the cookie the form does it, with tokens this script. Both need the network.

import { isReachable, post } from "./server.js";

const form = document.querySelector("#form");
const problem = document.querySelector("#problem");

async function signIn() {
  const response = await post("/api/sign-in", { name: form.elements.name.value, password: form.password.value });
  if (response.ok) return location.replace("/token/");
  problem.textContent = (await response.json()).message;
  form.password.select();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  problem.textContent = "";
  try {
    if (!(await isReachable())) throw new TypeError("The server cannot be reached.");
    if (document.body.dataset.entry === "token") await signIn();
    else form.submit();
  } catch {
    problem.textContent =
      "Signing in needs the network, and the server cannot be reached. Try again once you are online.";
  }
});

document.querySelector("#signed-out").hidden = location.hash !== "#signed-out";
