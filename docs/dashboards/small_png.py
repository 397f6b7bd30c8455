"""Screenshots as small files: a dashboard has few colours. The browser that took the picture counts
them; here they become a PNG with a palette."""

from __future__ import annotations

import base64
import struct
import zlib
from pathlib import Path

from playwright.sync_api import Page

# Colours are told apart by the upper six bits; the commonest stay, others become the nearest.
_COUNT = """async ([shot, most]) => {
  const bitmap = await createImageBitmap(await (await fetch(shot)).blob());
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const pen = canvas.getContext('2d');
  pen.drawImage(bitmap, 0, 0);
  const pixels = pen.getImageData(0, 0, bitmap.width, bitmap.height).data;
  const keys = new Uint32Array(pixels.length / 4), seen = new Map();
  for (let i = 0; i < keys.length; i++) {
    const [r, g, b] = [pixels[4 * i], pixels[4 * i + 1], pixels[4 * i + 2]];
    keys[i] = (r >> 2) << 12 | (g >> 2) << 6 | b >> 2;
    const one = seen.get(keys[i]);
    if (one) one.times++; else seen.set(keys[i], {times: 1, colour: [r, g, b]});
  }
  const all = [...seen.entries()].sort((a, b) => b[1].times - a[1].times);
  const palette = all.slice(0, most).map(([, one]) => one.colour);
  const place = new Map(all.map(([key, one], n) => {
    if (n < most) return [key, n];
    let best = 0, least = Infinity;
    palette.forEach((colour, m) => {
      const far = colour.reduce((sum, part, c) => sum + (part - one.colour[c]) ** 2, 0);
      if (far < least) { least = far; best = m; }
    });
    return [key, best];
  }));
  let text = '';
  for (const key of keys) text += String.fromCharCode(place.get(key));
  return {width: bitmap.width, height: bitmap.height, palette, pixels: btoa(text)};
}"""
_MOST_COLOURS = 160


def save_small(page: Page, path: Path) -> None:
    """Write what the page shows."""
    shot = "data:image/png;base64," + base64.b64encode(page.screenshot()).decode()
    page.goto("about:blank")
    told = page.evaluate(_COUNT, [shot, _MOST_COLOURS])
    width, height = told["width"], told["height"]
    pixels = base64.b64decode(told["pixels"])
    rows = b"".join(b"\0" + pixels[at : at + width] for at in range(0, len(pixels), width))
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    palette = bytes(part for colour in told["palette"] for part in colour)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", head)
        + _chunk(b"PLTE", palette)
        + _chunk(b"IDAT", zlib.compress(rows, 9))
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
