"""How soon a page of 12 heads and 512 tokens is seen, and how fast one moves in it, in a real browser.

    python benchmarks/views.py [--rounds 7]

Medians over fresh pages: from navigation to the first frame that has the heads and the large map;
from a key to the frame that it leads to, in the map of a head, in the open weights, and between them.
"""

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path

import torch
from playwright.sync_api import sync_playwright

from clearhead import CustomMultiHeadAttention, trace

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
STEPS = """async ([selector, keys]) => {
  const root = document.querySelector("body > div").shadowRoot;
  const place = root.querySelector(selector);
  place.focus();
  const times = [];
  for (const key of keys) {
    const start = performance.now();
    place.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    times.push(performance.now() - start);
    await new Promise(requestAnimationFrame);
  }
  return times;
}"""
FIRST = """() => new Promise((done) => {
  const look = () => {
    const ready = document.querySelector("body > div")?.shadowRoot?.querySelector("[data-ready]");
    if (ready) requestAnimationFrame(() => done(performance.now()));
    else setTimeout(look, 1);
  };
  look();
})"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    print(
        "| model_dim | file | first frame, ms | a step in a head's map, ms | a step in the open weights, ms |"
    )
    print("|---|---|---|---|---|")
    for model_dim in (96, 768):
        torch.manual_seed(0)
        seen = trace(CustomMultiHeadAttention(12, model_dim), torch.randn(1, 512, model_dim), check=False)
        with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
            path = Path(folder) / "trace.html"
            seen.to_html(path)
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            first, in_map, in_grid = [], [], []
            for round_ in range(rounds + 1):
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                page.goto(path.as_uri(), wait_until="commit")
                shown = page.evaluate(FIRST)
                page.wait_for_selector('[data-ready="all"]')
                keys = ["ArrowUp"] * 10 + ["ArrowRight"] * 10 + ["ArrowDown"] * 5
                moved = page.evaluate(STEPS, ["[data-attention]", keys])
                page.locator('[data-value="weights"]').click()
                page.wait_for_selector("[data-grid]")
                walked = page.evaluate(STEPS, ["[data-grid]", ["ArrowDown"] * 15 + ["ArrowRight"] * 10])
                page.close()
                if round_:  # The first one warms.
                    first.append(shown)
                    in_map.append(statistics.median(moved[5:]))
                    in_grid.append(statistics.median(walked[5:]))
            size = path.stat().st_size / 1e6
            medians = " | ".join(f"{statistics.median(times):.1f}" for times in (first, in_map, in_grid))
            print(f"| {model_dim} | {size:.2f} MB | {medians} |")
            browser.close()


if __name__ == "__main__":
    main()
