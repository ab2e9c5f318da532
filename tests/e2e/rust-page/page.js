// The page in Rust, as `window.nf`.

import init, * as nf from "./nightferry_e2e_page.js";

await init();
window.nf = nf;
