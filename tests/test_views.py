"""The views in a real browser: the same numbers as Python, marks, edits, keys, safety, what a reader without sight hears."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from programs import rest_slow
from sample_traces import cells_of, some_traces
from test_gradient_checks import N, NoRoot, faulty, red, slope_dropped, wrong_transpose

from clearhead import CustomMultiHeadAttention, LanguageModel, SequenceClassifier, TwoLayerNN, trace, views
from clearhead.evaluation import Evaluation
from clearhead.formula import FormulaError, parse
from clearhead.receipts import typed

FOLDER = Path(views.__file__).parent
SOURCES = sorted(FOLDER.glob("*.js"))
HOLDS = """async ([text, name]) => {
  const trace = new inside.Trace(JSON.parse(text));
  const view = trace.document.kind === "two-layer" ? inside.networkView(trace) : inside.attentionView(trace);
  document.body.replaceChildren();
  const host = document.body.appendChild(document.createElement("div"));
  const app = new inside.App(host.attachShadow({mode: "open"}).appendChild(document.createElement("div")), trace, "en", view, () => {});
  await app.start();
  globalThis.app = app;
}"""


def hold(page, seen):
    """The trace in the page's own view, as `app`."""
    page.evaluate(HOLDS, [seen.to_json(), ""])


# The sources, without a browser.


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_view_invents_no_number_and_writes_no_markup(source):
    text = source.read_text("utf-8")
    for forbidden in ("Math.random", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.querySelector",
                      "document.write", "eval(", "new Function", "fetch(", "XMLHttpRequest", "WebSocket"):  # fmt: skip
        assert forbidden not in text.replace("numbersOf(await inflated(", ""), forbidden


def write(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.js").write_text(text, "utf-8")


def test_files_are_joined_in_the_order_in_which_they_need_each_other(tmp_path):
    write(tmp_path, main='import { b } from "./b.js";\nexport function main() { return b() + 1; }\nexport default { main };\n',
          b='import { a } from "./a.js";\nexport const b = () => a * 2;\n', a="export const a = 3;\n")  # fmt: skip
    joined = views.joined("main", tmp_path)
    assert "import" not in joined
    assert joined.index("const a") < joined.index("const b") < joined.index("function main")
    assert joined.rstrip().endswith("export default { main };")
    assert "export" not in views.joined("main", tmp_path, page=True)


@pytest.mark.parametrize(("files", "says"), [
    ({"main": 'import { x } from "./a.js";\n', "a": "const x = 1;\n"}, r"main.js imports x from a.js, which does not export it"),
    ({"main": 'import { x } from "./a.js";\n'}, r"main imports a.js, which is not there"),
    ({"main": 'import { x } from "./a.js";\nconst y = 1;\n', "a": "export const x = 1;\nconst y = 2;\n"}, "y stands at the top of both"),
    ({"main": 'import { x } from "./a.js";\nexport const y = 1;\n', "a": 'import { y } from "./main.js";\nexport const x = 1;\n'}, "circle: main -> a -> main"),
    ({"main": 'import * as a from "./a.js";\n', "a": ""}, r"main.js: write `import \{ name \}"),
    ({"main": 'import x from "./a.js";\n', "a": ""}, r"main.js: write `import \{ name \}"),
    ({"main": 'export { x } from "./a.js";\n', "a": ""}, r"main.js: write `import \{ name \}"),
])  # fmt: skip
def test_what_cannot_be_joined_is_said(files, says, tmp_path):
    write(tmp_path, **files)
    with pytest.raises(views.JoinError, match=says):
        views.joined("main", tmp_path)


def test_the_page_names_its_only_script_by_its_hash():
    page = some_traces()[0].to_html()
    assert page.count("<script") == 2
    assert "default-src 'none'; script-src 'sha256-" in page
    assert not re.search(r"<style|style=|\son\w+=|https?://(?!www\.w3\.org)", page.split("<body>")[0])
    with pytest.raises(ValueError, match="language='fr' must be en or ko"):
        some_traces()[0].to_html(language="fr")


# The page's arithmetic against Python's.


def random_formulas(count):
    """Formulas and values of every word of the language, on sizes that differ."""
    generator = np.random.default_rng(7)
    axes = {
        "x": "BTM",
        "y": "BTM",
        "w": "FM",
        "b": "M",
        "z": "BASM",
        "r": "BTJ",
        "h": "BATK",
        "s": "",
        "p": "TM",
    }
    lengths = {"B": 2, "T": 3, "M": 4, "F": 5, "A": 2, "S": 6, "K": 3, "J": 6}
    pieces = ["x", "y", "(x + b)", "(x wᵀ w)", "norm_M(x)", "softmax_M(y)", "softmax_BT(x)", "tanh(y)", "σ(x)", "gelu(y)",
              "exp(x)", "log(x²)", "(x where [y > 0])", "softmax_M(x where [y > 0.5])", "√(x²)", "(x - Σ_M(x ⊙ y))", "(y / (1 + x²))",
              "(s x)", "(x √M)", "(x ⊙ p)", "((xᵀ)ᵀ)", "[x = x]", "(x (pᵀ p))", "(mean_B(x) + x)", "(x - argmax_T(y))"]  # fmt: skip
    outer = ["{0}", "Σ_M({0})", "mean_BT({0})", "{0} ⊙ {1}", "{0} + {1}", "{0} - {1}", "{0} / (2 + {1}²)", "-{0}", "Σ_BTM({0})",
             "argmax_TM({0})", "({0})ᵀ {1}", "{0} wᵀ", "norm_TM({0})", "split(r)", "merge(h)", "softmax_S(z)", "h hᵀ"]  # fmt: skip
    made = 0
    while made < count:
        formula = generator.choice(outer).format(*generator.choice(pieces, 2))
        values, named = {}, {}
        for name, letters in axes.items():
            if re.search(rf"(?<![A-Za-z_]){name}(?![A-Za-z_(])", formula):
                named[name] = tuple("AK" if letter == "J" else letter for letter in letters)
                values[name] = generator.normal(size=[lengths[letter] for letter in letters])
        if named.keys() & {"r", "h"}:
            named["A"], values["A"] = (), 2
        ready = Evaluation(values, named)
        try:
            with np.errstate(all="ignore"):
                cells = ready.cells(parse(formula))
        except FormulaError:
            continue
        with np.errstate(all="ignore"):
            tree = typed(parse(formula), ready)
        made += 1
        packed = {name: {"axes": named[name], "shape": list(value.shape), "data": value.reshape(-1).tolist()}
                  for name, value in values.items() if name != "A"}  # fmt: skip
        yield {"formula": formula, "values": packed, "lengths": ready.lengths, "tree": tree,
               "shape": cells.axes}, cells.numbers  # fmt: skip


def test_the_page_evaluates_500_formulas_as_python_does(inside):
    cases, numbers = zip(*random_formulas(500), strict=True)
    assert len({case["formula"] for case in cases}) > 150
    made = inside.evaluate("""cases => cases.map(({values, lengths, tree, shape}) => {
      const held = Object.fromEntries(Object.entries(values).map(([name, v]) => [name, {...v, data: Float64Array.from(v.data)}]));
      const made = new inside.Evaluation((name) => held[name], lengths, 2.2250738585072014e-308).result(tree, shape);
      return [made.shape, Array.from(made.data, String)];
    })""", list(cases))  # fmt: skip
    for case, expected, (shape, text) in zip(cases, numbers, made, strict=True):
        assert tuple(shape) == expected.shape, case["formula"]
        found = [float(number.replace("Infinity", "inf").replace("NaN", "nan")) for number in text]
        np.testing.assert_allclose(
            found, expected.reshape(-1), rtol=1e-11, atol=1e-13, err_msg=case["formula"]
        )


@pytest.mark.parametrize(("every", "cells_each", "least"), rest_slow(0, [(4, 1, 100), (1, 6, 1000)]))
def test_the_receipts_of_cells_in_the_page_have_the_digits_of_python(inside, every, cells_each, least):
    count = 0
    for seen in some_traces()[::every]:
        cells = list(cells_of(seen, cells_each))
        hold(inside, seen)
        shown = inside.evaluate("""async (cells) => {
          const made = [];
          for (const [name, cell] of cells) {
            await app.open(name, cell);
            const receipt = app.regions.receipt;
            made.push([receipt.querySelector(".formula").textContent, receipt.querySelector("[data-receipt]").textContent,
              receipt.querySelector("[data-result]").textContent, app.exact(name, cell)]);
          }
          return made;
        }""", [[name, list(cell)] for name, cell in cells])  # fmt: skip
        for (name, cell), (symbols, numbers, result, exact) in zip(cells, shown, strict=True):
            receipt = seen.receipt(name, cell)
            place = f"[{','.join(map(str, cell))}]" if cell else ""
            assert symbols == f"{name.rpartition('.')[2]}{place} = {receipt.symbols}"
            assert numbers == f"= {receipt.shown}", name
            masked = seen.to_text(name, cell).splitlines()
            assert result in ("masked", *[line.rpartition("= ")[2] for line in masked])
            words = {"inf": float("inf"), **vars(__import__("math"))}
            np.testing.assert_allclose(
                eval(exact, dict(words)), eval(receipt.exact, dict(words)), rtol=1e-11, atol=1e-300
            )
            count += 1
    assert count >= least


# Marks.


def marks(page):
    return page.evaluate("""() => Object.fromEntries([...app.root.querySelectorAll("[data-mark]")]
        .map((mark) => [mark.dataset.mark, mark.classList.contains("right")]))""")  # fmt: skip


@pytest.mark.parametrize(
    ("change", "sizes"), [(slope_dropped, (5, 6, 3)), (wrong_transpose, (5, 3, 3)), (None, (5, 6, 3))]
)
def test_a_fault_in_backward_turns_exactly_the_affected_marks_red(inside, change, sizes):
    generator = np.random.default_rng(3)
    net = (faulty(change) if change else TwoLayerNN)(*sizes, seed=1)
    seen = trace(net, generator.normal(size=(N, 5)), generator.integers(3, size=N))
    hold(inside, seen)
    found = marks(inside)
    assert {name for name, right in found.items() if not right} == red(seen)
    assert len(found) == 7
    for name in found:
        for flat in range(0, seen[name].size, 3):
            cell = [int(i) for i in np.unravel_index(flat, seen[name].shape)]
            right = inside.evaluate("""async ([name, cell]) => {
              await app.open(name, cell);
              const other = await app.edits.difference(name, cell);
              const [, mark] = app.checkNodes(name, cell, other);
              return mark.props.text === "✓";
            }""", [name, cell])  # fmt: skip
            wrong = flat in seen.checks[name].wrong
            assert right == (not wrong), (name, cell)


def test_a_missing_root_in_attention_turns_exactly_the_affected_marks_red(inside):
    torch.manual_seed(2)
    for kind in (NoRoot, CustomMultiHeadAttention):
        seen = trace(kind(2, 6), torch.randn(2, 5, 6), doutput=torch.randn(2, 5, 6), causal=True)
        hold(inside, seen)
        found = marks(inside)
        assert {name for name, right in found.items() if not right} == red(seen)
        for name, cell in [
            ("dq", [1, 1, 2, 0]),
            ("dk", [1, 1, 2, 0]),
            ("dWq", [2, 3]),
            ("dWv", [2, 3]),
            ("dx", [0, 4, 1]),
        ]:
            right = inside.evaluate("""async ([name, cell]) => {
              const other = await app.edits.difference(name, cell);
              await app.open(name, cell);
              return app.checkNodes(name, cell, other)[1].props.text === "✓";
            }""", [name, cell])  # fmt: skip
            assert right == seen.checks[name].passed


# Edits.


def whole(seen, edits):
    """Every step run again on the edited values, by Python, in float64."""
    values = {
        name: np.asarray(value.numbers, np.float64)
        for name, value in seen.values.items()
        if value.origin != "step"
    }
    for name, cell, number in edits:
        values[name] = values[name].copy()
        values[name][tuple(cell)] = number
    for traced in seen.steps.values():
        ready = {short: values[full] for short, full in traced.reads.items()}
        ready |= {axis: seen.lengths[axis] for axis in traced.step.axes if axis not in ready}
        values[traced.name] = traced.step.evaluate(ready)
    return values


@pytest.mark.parametrize(("number", "name", "cell", "to"), [
    (0, "W1", (1, 1), 0.75), (1, "X", (0, 2), -3.0), (2, "b2", (1,), 9.0), (3, "lr", (), 0.5),
    (7, "Wq", (1, 2), 2.0), (8, "mask", (0, 1, 2, 3), 0), (10, "x", (0, 1, 1), 0.0), (9, "doutput", (0, 0, 0), 5.0),
])  # fmt: skip
def test_the_cells_marked_changed_are_those_that_a_full_recomputation_changes(inside, number, name, cell, to):
    seen = some_traces()[number]
    if name == "mask":
        to = 1 - float(seen["mask"][cell])
    hold(inside, seen)
    changed = inside.evaluate("""async ([name, cell, to]) => {
      await app.edit(name, cell, to);
      const again = app.edits.run(app.edits.runnable(), new Map(app.edits.done.map(({name, cells}) => [name, cells])));
      return Object.fromEntries([...app.trace.packed.keys()].map((one) => {
        const full = (again.get(one) ?? app.trace.value(one)).data;
        const was = (app.edits.before.get(one) ?? app.trace.value(one)).data;
        return [one, [[...(app.edits.changes(one) ?? app.trace.value(one).data.map(() => 0))].map((by) => by !== 0), [...full].map((number, i) => !Object.is(number, was[i]) && number - was[i] !== 0), [...app.edits.value(one).data].map(String)]];
      }));
    }""", [name, list(cell), float(to)])  # fmt: skip
    before, after = whole(seen, []), whole(seen, [(name, cell, to)])
    moved = set()
    for one, (marked, full, numbers) in changed.items():
        assert marked == full, one
        if any(marked):
            moved.add(one)
            found = np.array([float(text.replace("Infinity", "inf")) for text in numbers])
            np.testing.assert_allclose(found, np.reshape(after[one], -1), rtol=1e-9, atol=1e-12, err_msg=one)
    for one in seen:
        if np.abs(after[one] - before[one]).max(initial=0) > 1e-9:
            assert one in moved, one
    assert len(moved) > 1
    counts = inside.evaluate(
        """() => Object.fromEntries([...app.root.querySelectorAll("[data-changed]")].map((one) => [one.dataset.changed, parseInt(one.textContent)]))"""
    )
    for one, count in counts.items():
        assert count == sum(changed[one][0])
    inside.evaluate("() => app.undo()")
    assert inside.evaluate(
        "() => [...app.trace.packed.keys()].every((one) => app.edits.value(one) === app.trace.value(one))"
    )


def test_a_token_of_a_language_model_can_be_exchanged_and_what_autograd_gave_is_stale(inside):
    seen = next(seen for seen in some_traces() if seen.recording.kind == "language")
    hold(inside, seen)
    now = int(seen["tokens"][0, 2].argmax())
    other = (now + 1) % 7
    row, stale, p = inside.evaluate("""async (to) => {
      await app.edit("tokens", [0, 2, to], 1);
      return [[...app.edits.value("tokens").data.slice(14, 21)], [...app.edits.stale], [...app.edits.value("p").data]];
    }""", other)  # fmt: skip
    assert row == [float(i == other) for i in range(7)]
    assert {"dE", "blocks.0.dWf", "blocks.0.dWq"} <= set(stale)
    assert "p" not in stale
    tokens = seen["tokens"].astype(float)
    tokens[0, 2] = np.eye(7)[other]
    values = {name: np.asarray(value.numbers, float) for name, value in seen.values.items()} | {
        "tokens": tokens
    }
    for traced in seen.steps.values():
        if traced.part == "forward":
            ready = {short: values[full] for short, full in traced.reads.items()}
            ready |= {axis: seen.lengths[axis] for axis in traced.step.axes if axis not in ready}
            values[traced.name] = traced.step.evaluate(ready)
    np.testing.assert_allclose(p, values["p"].reshape(-1), rtol=1e-10)


def test_a_stale_gradient_is_not_marked(inside):
    seen = next(seen for seen in some_traces() if seen.recording.kind == "language")
    hold(inside, seen)
    assert inside.evaluate(
        "async () => { const before = await app.edits.difference('dE', [1, 0]); await app.edit('E', [0, 0], 2); return [before !== null, await app.edits.difference('dE', [1, 0])]; }"
    ) == [True, None]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_marks_nothing_in_the_right_code(inside, dtype):
    torch.manual_seed(3)
    seen = trace(CustomMultiHeadAttention(2, 8).to(dtype), torch.randn(1, 5, 8).to(dtype))
    hold(inside, seen)
    wrong = inside.evaluate("""async () => {
      const wrong = [];
      for (const name of Object.keys(app.trace.document.checks)) {
        for (let flat = 0; flat < app.trace.value(name).data.length; flat += 7) {
          const cell = [];
          let rest = flat;
          for (const length of [...app.trace.shape(name)].reverse()) { cell.unshift(rest % length); rest = Math.floor(rest / length); }
          const mark = app.checkNodes(name, cell, await app.edits.difference(name, cell))[1];
          if (mark && mark.props.text !== "✓") wrong.push([name, cell]);
        }
      }
      return wrong;
    }""")
    assert wrong == []


# The page: keys, words, safety.


@pytest.fixture
def opened(tab, tmp_path):
    def go(seen, **how):
        path = tmp_path / "trace.html"
        seen.to_html(path, **how)
        tab.goto(path.as_uri())
        tab.wait_for_selector('[data-ready="all"]')
        return tab

    return go


def focused(page):
    return page.evaluate("""() => { let e = document.activeElement; while (e?.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
        return [e.tagName, e.className, e.getAttribute("data-value") ?? e.getAttribute("data-grid") ?? e.textContent]; }""")  # fmt: skip


def test_all_is_reached_by_keys_from_overview_to_cell_to_receipt_and_back(opened):
    seen = some_traces()[0]
    page = opened(seen, language="en")
    for _ in range(40):
        page.keyboard.press("Tab")
        if focused(page)[2] == "W1":
            break
    assert focused(page)[2] == "W1"
    page.keyboard.press("Enter")
    page.wait_for_selector('[data-grid="W1"]:focus')
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    live = page.locator(".live")
    number = seen.to_text("W1", (1, 1)).split(" = ")[1].split("\n")[0]
    assert live.text_content() == f"W1[1,1] = {number}; feature 1, hidden unit 1"
    page.keyboard.press("Escape")
    assert focused(page)[2] == "W1"
    assert page.locator(".grid").count() == 0
    page.locator('[data-value="dz1"]').press("Enter")
    page.wait_for_selector('[data-grid="dz1"]:focus')
    page.keyboard.press("Enter")
    tag, kind, text = focused(page)
    assert (tag, kind.split()[0]) == ("BUTTON", "term")
    assert text == seen.receipt("dz1", (0, 0)).pieces[0].text
    page.keyboard.press("Escape")
    assert focused(page)[2] == "dz1"
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.wait_for_selector('[data-grid="dh"]:focus')


def test_arrows_stop_at_the_edges_and_keys_do_not_reach_the_host(opened):
    page = opened(some_traces()[0])
    page.evaluate(
        "() => { globalThis.heard = []; document.addEventListener('keydown', (event) => heard.push(event.key)); }"
    )
    page.locator('[data-value="W1"]').press("Enter")
    page.wait_for_selector('[data-grid="W1"]:focus')
    for key in ("ArrowUp", "ArrowLeft", "b", "End", "ArrowRight", "PageDown", "ArrowDown"):
        page.keyboard.press(key)
    rows, columns = some_traces()[0]["W1"].shape
    assert page.locator(".live").text_content().startswith(f"W1[{rows - 1},{columns - 1}] = ")
    assert page.evaluate("() => heard") == []
    assert page.locator("body > div").get_attribute("data-lm-suppress-shortcuts") == "true"


def test_the_attention_map_is_walked_and_opened_by_keys(opened):
    torch.manual_seed(0)
    attention = CustomMultiHeadAttention(2, 4)
    seen = trace(attention, torch.randn(1, 4, 4), ["To", "be", "or", "not"], causal=True)
    page = opened(seen)
    page.locator("[data-attention]").focus()
    page.keyboard.press("ArrowUp")
    assert (
        page.locator(".live").text_content()
        == f"query or, key To: {seen.to_text('weights', (0, 0, 2, 0)).split('= ')[3].split(chr(10))[0]}"
    )
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert page.locator(".live").text_content() == "query or, key not: masked"
    assert page.locator(".chain tbody tr").nth(3).text_content().count("masked") == 2
    assert page.locator("[data-row-sum]").text_content() == "1"
    page.keyboard.press("Enter")
    page.wait_for_selector('[data-grid="weights"]:focus')
    assert page.locator(".cell").text_content() == "weights[0,0,2,3] = masked"


def test_setting_a_weight_to_zero_shows_what_the_output_would_be(opened):
    torch.manual_seed(0)
    attention = CustomMultiHeadAttention(2, 4)
    x = torch.randn(1, 3, 4)
    seen = trace(attention, x)
    page = opened(seen)
    page.get_by_role("button", name="What if it did not look at 0?").click()
    page.wait_for_selector(".whatif p")
    weights = torch.as_tensor(seen["weights"].copy())
    weights[0, 0, 2, 0] = 0
    merged = (weights @ torch.as_tensor(seen["v"])).transpose(1, 2).flatten(-2)
    by = attention.out_proj(merged).detach().numpy()[0, 2] - seen["output"][0, 2]
    from clearhead.numerals import shown

    most = int(np.abs(by).argmax())
    assert (
        page.locator(".whatif li")
        .first.text_content()
        .startswith(f"output[0,2,{most}]: {shown(seen['output'][0, 2, most])[:5]}")
    )
    length = float(page.locator(".whatif p").text_content().split("move by ")[1].split(" ")[0])
    np.testing.assert_allclose(length, np.linalg.norm(by), rtol=1e-3)


def test_the_text_of_a_value_has_the_digits_of_the_terminal(opened):
    seen = some_traces()[0]
    page = opened(seen, language="en")
    for name in ("W1", "z1", "dW1", "loss", "b2"):
        page.locator(f'[data-value="{name}"]').click()
        page.locator("summary").click()
        page.wait_for_selector("table td")
        cells = [text for text in page.locator("details.text td").all_text_contents() if text]
        terminal = re.findall(r"(?<=\s)[−\d][\d.e−]*(?=\s|$)", "\n".join(seen.to_text(name).split("\n")[2:]))
        assert cells == terminal[: len(cells)]
        page.keyboard.press("Escape")


def test_names_that_look_like_markup_do_no_harm(opened):
    names = [
        "</script><script>window.harm = 1</script>",
        "\u2028\u2029",
        '"><img src=x onerror=alert(1)>',
        "&lt;",
    ]
    page = opened(trace(CustomMultiHeadAttention(2, 4), torch.ones(1, 4, 4), names))
    assert page.evaluate("() => window.harm") is None
    assert page.locator("img").count() == 0
    assert page.locator(".chain tbody th").first.text_content() == names[0]


def test_it_speaks_korean_where_asked_and_can_be_switched(opened):
    page = opened(some_traces()[0], language="ko")
    assert re.search("[가-힣]", page.locator("h1").text_content())
    page.get_by_role("button", name="English").click()
    page.wait_for_selector('[data-ready="all"]')
    assert page.locator("h1").text_content() == "A two-layer network"


def test_edits_and_what_is_open_outlive_another_language_and_another_light(opened):
    page = opened(some_traces()[0], language="en")
    page.locator('[data-value="W1"]').click()
    page.locator("input").fill("50")
    page.locator("input").press("Enter")
    page.wait_for_selector('[data-changed="z1"]')
    changed = page.locator("[data-changed]").count()
    for change in (
        lambda: page.get_by_role("button", name="한국어").click(),
        lambda: page.emulate_media(color_scheme="dark"),
    ):
        change()
        page.wait_for_selector('[data-ready="all"]')
        assert page.locator("[data-changed]").count() == changed
        assert page.locator("[data-grid]").get_attribute("data-grid") == "W1"
    page.keyboard.press("Control+z") if focused(page)[1] == "grid" else page.locator(
        ".tools button"
    ).first.click()
    page.wait_for_function(
        "() => !document.querySelector('body > div').shadowRoot.querySelector('[data-changed]')"
    )
    page.locator('[data-value="z1"]').click()
    ends = page.locator(".bar.long span").all_text_contents()[:2]
    most = np.abs(some_traces()[0]["z1"]).max()
    assert float(ends[1]) == pytest.approx(most, rel=1e-3)


def test_one_goes_back_along_the_receipts_that_one_came_by(opened):
    page = opened(some_traces()[0], language="en")
    page.locator('[data-value="dz1"]').click()
    page.locator(".receipt .term").first.click()
    page.wait_for_selector('[data-grid="dh"]:focus')
    page.locator(".receipt .term").first.click()
    page.wait_for_selector('[data-grid="dz2"]:focus')
    page.keyboard.press("Escape")
    page.wait_for_selector('[data-grid="dh"]:focus')
    page.get_by_role("button", name="← dz1").click()
    page.wait_for_selector('[data-grid="dz1"]:focus')


def test_another_block_opens_the_same_value_there_and_the_focus_stays(opened):
    torch.manual_seed(0)
    page = opened(trace(LanguageModel(9, 6, model_dim=8, num_heads=2, num_layers=2), [1, 5, 3]))
    page.locator('[data-value="blocks.0.q"]').click()
    page.locator(".overview .choice").nth(1).focus()
    page.keyboard.press("Enter")
    page.wait_for_selector('[data-grid="blocks.1.q"]')
    assert focused(page)[2] == "1"


def test_a_large_image_is_drawn(opened):
    torch.manual_seed(0)
    model = SequenceClassifier((224, 224, 3), 3, patch=32, model_dim=8, num_heads=2, num_layers=1)
    page = opened(trace(model, torch.randn(1, 224, 224, 3), check=False))
    assert page.locator("canvas.picture").count() == 1


def models():
    torch.manual_seed(0)
    data = np.random.default_rng(0).normal(size=(2, 16))
    return {
        "network": trace(TwoLayerNN(16, 9, 3, seed=0), data, [0, 2], image=(4, 4)),
        "attention": trace(CustomMultiHeadAttention(3, 6), torch.randn(1, 5, 6), causal=True),
        "classifier": trace(
            SequenceClassifier((4, 4), 3, patch=(2, 2), model_dim=8, num_heads=2), data[:1].reshape(1, 4, 4)
        ),
        "language": trace(LanguageModel(9, 6, model_dim=8, num_heads=2, num_layers=2), [1, 5, 3]),
    }


@pytest.mark.parametrize(
    ("kind", "scheme"),
    [("network", "light"), ("attention", "dark"),
     *(pytest.param(*page, marks=pytest.mark.slow) for page in (
         ("network", "dark"), ("attention", "light"), ("classifier", "light"), ("classifier", "dark"),
         ("language", "light"), ("language", "dark")))],
)  # fmt: skip
def test_axe_finds_no_violation(opened, kind, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page = opened(models()[kind])
    page.emulate_media(color_scheme=scheme)
    page.wait_for_selector('[data-ready="all"]')
    for name in ("dW1", "W1", "h") if kind == "network" else ("weights", "q", "mask", "x"):
        card = page.locator(f'[data-value$="{name}"]').first
        if card.count():
            card.click()
            page.wait_for_selector(".grid")
            page.wait_for_timeout(150)
            found = Axe().run(page).response["violations"]
            assert [(one["id"], [part["html"] for part in one["nodes"]][:3]) for one in found] == []


def test_motion_is_short_and_none_where_less_is_asked(opened):
    page = opened(some_traces()[0])
    slow = "() => Math.max(...[...document.querySelector('body > div').shadowRoot.querySelectorAll('*')].map((e) => parseFloat(getComputedStyle(e).transitionDuration)))"
    assert 0 < page.evaluate(slow) < 0.4
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(slow) == 0


def test_nothing_is_left_when_it_is_taken_away(inside):
    assert inside.evaluate("""async (text) => {
      const heard = [];
      const model = { get: (name) => ({ document: JSON.parse(text), language: "en" })[name], set() {}, on: (e) => heard.push(e), off: (e) => heard.splice(heard.indexOf(e), 1) };
      const el = document.body.appendChild(document.createElement("div"));
      const clean = inside.render({ model, el });
      const drawn = el.childElementCount;
      clean();
      return [drawn, el.childElementCount, heard.length];
    }""", some_traces()[0].to_json()) == [1, 0, 0]  # fmt: skip


def test_a_notebooks_host_can_load_it_from_a_blob(tab):
    tab.goto("about:blank")
    kinds = tab.evaluate("""async (source) => {
      const module = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
      return Object.entries(module.default).map(([name, value]) => [name, typeof value]);
    }""", views.joined())  # fmt: skip
    assert kinds == [["render", "function"]]


def test_a_file_of_another_version_says_so(tab, tmp_path):
    made = json.loads(some_traces()[0].to_json()) | {"version": 2}
    (tmp_path / "other.html").write_text(views.page(made), "utf-8")
    tab.goto((tmp_path / "other.html").as_uri())
    tab.wait_for_selector('[role="alert"]')
    assert (
        'reads version 1 of "clearhead trace", got clearhead trace 2'
        in tab.locator('[role="alert"]').text_content()
    )


NOTEBOOK = """import numpy as np
from clearhead import TwoLayerNN, trace
trace(TwoLayerNN(5, 4, 3, seed=0), np.eye(5)[:2], [0, 2])"""


@pytest.mark.slow
def test_an_executed_notebook_shows_the_view_offline_and_the_table_without_scripts(browser, tmp_path):
    cell = {
        "cell_type": "code",
        "execution_count": None,
        "id": "a",
        "metadata": {},
        "outputs": [],
        "source": NOTEBOOK,
    }
    book = {"cells": [cell], "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
            "nbformat": 4, "nbformat_minor": 5}  # fmt: skip
    (tmp_path / "book.ipynb").write_text(json.dumps(book), "utf-8")
    subprocess.run([sys.executable, "-m", "jupyter", "nbconvert", "--execute", "--to", "html", "book.ipynb"],
                   cwd=tmp_path, check=True, capture_output=True, timeout=240)  # fmt: skip
    for scripts in (True, False):
        context = browser.new_context(offline=True, java_script_enabled=scripts)
        page = context.new_page()
        page.goto((tmp_path / "book.html").as_uri(), wait_until="domcontentloaded")
        text = page.locator("details table").first.text_content()
        assert "dz2 W2ᵀ" in text
        assert page.locator("details table").first.is_visible()
        if scripts:
            frame = page.frame_locator("iframe[title=clearhead]")
            frame.locator('[data-ready="all"]').wait_for(timeout=20_000)
            frame.locator('[data-value="dW1"]').click()
            result = frame.locator("[data-result]").text_content()
            net = TwoLayerNN(5, 4, 3, seed=0)
            assert (
                result
                == trace(net, np.eye(5)[:2], [0, 2]).to_text("dW1", (0, 0)).split("= ")[3].split("\n")[0]
            )
        context.close()
