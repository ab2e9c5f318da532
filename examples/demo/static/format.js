// Numbers, sizes and times as people read them.

const whole = new Intl.NumberFormat("en");
const tenths = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const ago = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const moment = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });

/**
 * @param {number} n
 * @param {string} one
 * @param {string} [many]
 */
export function count(n, one, many = `${one}s`) {
  return `${whole.format(n)} ${n === 1 ? one : many}`;
}

/** @param {number} bytes */
export function bytes(bytes) {
  if (bytes < 1024) return count(bytes, "byte");
  if (bytes < 1024 * 1024) return `${tenths.format(bytes / 1024)} KiB`;
  return `${tenths.format(bytes / 1024 / 1024)} MiB`;
}

/**
 * @param {number} time epoch ms
 * @param {number} [now]
 */
export function since(time, now = Date.now()) {
  const seconds = Math.round((time - now) / 1000);
  if (seconds > -10) return "just now";
  if (seconds > -60) return `${-Math.ceil(seconds / 10) * 10} seconds ago`;
  if (seconds > -3600) return ago.format(Math.round(seconds / 60), "minute");
  if (seconds > -86400) return ago.format(Math.round(seconds / 3600), "hour");
  return at(time);
}

/** @param {number} time epoch ms */
export function at(time) {
  return moment.format(time);
}
