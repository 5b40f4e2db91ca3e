// What is on the page, in the fragment of its address: no server ever sees that part.

const VERSION = "1.";

export async function toFragment(state) {
  const packed = await piped(new Blob([JSON.stringify(state)]), new CompressionStream("deflate-raw"));
  const text = btoa(Array.from(packed, (byte) => String.fromCharCode(byte)).join(""));
  return VERSION + text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

// Nothing if there is no such fragment, or a broken one.
export async function fromFragment(fragment) {
  if (!fragment.startsWith(VERSION)) return undefined;
  try {
    const text = atob(fragment.slice(VERSION.length).replaceAll("-", "+").replaceAll("_", "/"));
    const packed = Uint8Array.from(text, (character) => character.charCodeAt(0));
    const bytes = await piped(new Blob([packed]), new DecompressionStream("deflate-raw"));
    const state = JSON.parse(new TextDecoder().decode(bytes));
    const isText = Object.values(state).every((value) => typeof value === "string");
    return isText ? state : undefined;
  } catch {
    return undefined;
  }
}

async function piped(blob, transform) {
  return new Uint8Array(await new Response(blob.stream().pipeThrough(transform)).arrayBuffer());
}
