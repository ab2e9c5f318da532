// Names the device for people, unless the app does: the browser and the system, such as "Firefox on Windows". The crate's
// device.rs has the same names.

/** Browsers by what their user agent contains. Browsers name those that they resemble, so the first match counts. */
const BROWSERS = "Edg:Edge,OPR/:Opera,SamsungBrowser:Samsung Internet,Firefox,FxiOS:Firefox,Chrom:Chrome,Safari";
const SYSTEMS = "Windows,Android,iPhone,iPad,Mac:macOS,CrOS:ChromeOS,Linux";

/** The name of the device with this user agent. */
export function deviceName(agent: string): string {
  const find = (names: string) => {
    for (const entry of names.split(",")) {
      const [mark = "", name = mark] = entry.split(":");
      if (agent.includes(mark)) return name;
    }
    return undefined;
  };
  const system = find(SYSTEMS);
  return `${find(BROWSERS) ?? "Browser"}${system ? ` on ${system}` : ""}`;
}
