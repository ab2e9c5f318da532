// Files of wasm, for tests: esbuild gives their paths.
declare module "*.wasm" {
  const path: string;
  export default path;
}
