// Loads the page's wasm, which does the rest.

import init from "/static/page/packing_list.js";

init().catch((error) => {
  document.body.textContent = `The page could not be loaded: ${error.message}. Reload it; where that does not help, look at the console.`;
});
