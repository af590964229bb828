"""Known mistakes, planted in the learners' attention_* files beside this one, as replacements of their text.

The files themselves are right. An edit's old text occurs exactly once in its file.
"""

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Plant:
    style: str  # the file's name without its suffix
    mistake: str
    edits: tuple[tuple[str, str], ...]  # (old, new)
    line_of: str  # occurs once in the edited file: its line is where the wrong value is made
    also: tuple[str, ...] = ()  # as good an answer


def path(style: str) -> Path:
    """The style's file, a script or a notebook."""
    (found,) = (file for file in FOLDER.glob(f"{style}.*") if file.suffix in (".py", ".ipynb"))
    return found


def planted(plant: Plant) -> str:
    """The text of the plant's file with the mistake in it (a notebook's JSON for a notebook)."""
    text = path(plant.style).read_text(encoding="utf-8")
    for old, new in plant.edits:
        if text.count(old) != 1:
            raise ValueError(f"{plant.style}, {plant.mistake}: {old!r} occurs {text.count(old)} times.")
        text = text.replace(old, new)
    return text


def line(plant: Plant) -> set[int]:
    """The numbers of the lines (of the file, from 1) that are right answers to "where?"."""
    text = planted(plant)
    for piece in (plant.line_of, *plant.also):
        if text.count(piece) != 1:
            raise ValueError(f"{plant.style}, {plant.mistake}: {piece!r} occurs {text.count(piece)} times.")
    return {text[: text.index(piece)].count("\n") + 1 for piece in (plant.line_of, *plant.also)}


PLANTS: list[Plant] = []


def plant(style: str, mistake: str, *edits: tuple[str, str], at: str, also: tuple[str, ...] = ()) -> None:
    PLANTS.append(Plant(f"attention_{style}", mistake, edits, at, also))


# Scores

plant("plain", "scale_missing", (" / math.sqrt(self.head_dim)", ""), at="scores = torch.matmul(q")
plant("annotated", "scale_missing", (" / math.sqrt(d_k)", ""), at="scores = torch.matmul(query")
plant("lecture", "scale_missing", (" * k.shape[-1]**-0.5", ""), at="wei = q @ k")
plant(
    "raschka",
    "scale_missing",
    ("attn_scores / keys.shape[-1]**0.5", "attn_scores"),
    at="torch.softmax(attn_scores",
    also=("attn_scores = queries @",),
)
plant("vit", "scale_missing", ("        q = q * self.scale\n", ""), at="attn = q @ k")
plant(
    "triangle",
    "scale_missing",
    ("        # scale both instead of the product: saves memory\n", ""),
    ("        queries = queries / (s ** (1 / 4))\n", ""),
    ("        keys = keys / (s ** (1 / 4))\n\n", ""),
    at="dot = torch.bmm(queries",
)
plant(
    "fused",
    "scale_missing",
    ("else 0.0\n        )", "else 0.0, scale=1.0\n        )"),
    at="scale=1.0",
    also=("y = F.scaled_dot",),
)
plant(
    "interleaved",
    "scale_missing",
    ("    attn_logits = attn_logits / math.sqrt(d_k)\n", ""),
    at="attn_logits = torch.matmul(q",
)

plant(
    "plain",
    "scale_by_model_dim",
    ("math.sqrt(self.head_dim)", "math.sqrt(self.model_dim)"),
    at="math.sqrt(self.model_dim)",
)
plant("nanogpt", "scale_by_model_dim", ("math.sqrt(k.size(-1))", "math.sqrt(C)"), at="math.sqrt(C)")
plant("lecture", "scale_by_model_dim", ("k.shape[-1]**-0.5", "C**-0.5"), at="C**-0.5")
plant(
    "korean",
    "scale_by_model_dim",
    ("self.scale = self.head_dim", "self.scale = self.hidden_dim"),
    at="self.scale = ",
    also=("/ self.scale",),
)
plant("matrices", "scale_by_model_dim", ("np.sqrt(self.K)", "np.sqrt(self.M)"), at="np.sqrt(self.M)")
plant(
    "lucid",
    "scale_by_model_dim",
    ("self.scale = dim_head", "self.scale = dim"),
    at="self.scale = dim",
    also=("* self.scale",),
)
plant("course", "scale_by_model_dim", ("math.sqrt(self.head_dim)", "math.sqrt(E)"), at="math.sqrt(E)")

plant(
    "plain", "scale_without_root", ("math.sqrt(self.head_dim)", "self.head_dim"), at="scores = torch.matmul(q"
)
plant("block", "scale_without_root", ("self.d_head ** 0.5", "self.d_head"), at="scores = q @")
plant(
    "kdim",
    "scale_without_root",
    ("temperature=d_k ** 0.5", "temperature=d_k"),
    at="temperature=d_k",
    also=("q / self.temperature",),
)
plant(
    "strided",
    "scale_without_root",
    (".div(self.head_dim ** 0.5)", ".div(self.head_dim)"),
    at=".div(self.head_dim)",
)
plant(
    "triangle",
    "scale_without_root",  # the root twice
    ("queries / (s ** (1 / 4))", "queries / (s ** (1 / 2))"),
    ("keys / (s ** (1 / 4))", "keys / (s ** (1 / 2))"),
    at="queries = queries / (",
    also=("keys = keys / (", "dot = torch.bmm(queries"),
)
plant(
    "vit",
    "scale_without_root",  # the root twice
    ("attn = q @ k.transpose(-2, -1)", "attn = (q @ k.transpose(-2, -1)) * self.scale"),
    at="attn = (q @ k",
    also=("q = q * self.scale",),
)
plant("notebook", "scale_without_root", ("math.sqrt(self.d_k)", "self.d_k"), at="attn_scores = torch.matmul")

plant(
    "plain",
    "scale_multiplied",
    (" / math.sqrt(self.head_dim)", " * math.sqrt(self.head_dim)"),
    at=" * math.sqrt(self.head_dim)",
)
plant("lecture", "scale_multiplied", ("k.shape[-1]**-0.5", "k.shape[-1]**0.5"), at="k.shape[-1]**0.5")
plant(
    "lucid",
    "scale_multiplied",
    ("dim_head ** -0.5", "dim_head ** 0.5"),
    at="self.scale = ",
    also=("* self.scale",),
)
plant("heads", "scale_multiplied", ("temp = temp / scale", "temp = temp * scale"), at="temp = temp * scale")
plant(
    "tensorflow",
    "scale_multiplied",
    ("matmul_qk / torch.sqrt(dk)", "matmul_qk * torch.sqrt(dk)"),
    at="matmul_qk * torch",
)

# Heads

plant(
    "plain",
    "split_without_transpose",
    (
        "        x = x.view(batch, length, self.num_heads, self.head_dim)\n        return x.transpose(1, 2)",
        "        return x.view(batch, self.num_heads, length, self.head_dim)",
    ),
    at="x.view(batch, self.num_heads",
)
plant(
    "annotated",
    "split_without_transpose",
    (".view(nbatches, -1, self.h, self.d_k).transpose(1, 2)", ".view(nbatches, self.h, -1, self.d_k)"),
    at=".view(nbatches, self.h, -1",
    also=("query, key, value = [",),
)
plant(
    "nanogpt",
    "split_without_transpose",
    (
        "k = k.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)",
        "k = k.reshape(B, self.n_head, T, C // self.n_head)",
    ),
    (
        "q = q.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)",
        "q = q.reshape(B, self.n_head, T, C // self.n_head)",
    ),
    (
        "v = v.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)",
        "v = v.reshape(B, self.n_head, T, C // self.n_head)",
    ),
    at="q = q.reshape",
    also=("k = k.reshape", "v = v.reshape"),
)
plant(
    "lucid",
    "split_without_transpose",
    ("t.reshape(b, n, h, -1).permute(0, 2, 1, 3)", "t.reshape(b, h, n, -1)"),
    at="t.reshape(b, h, n, -1)",
)
plant(
    "bmm",
    "split_without_transpose",
    ("self.W_q(x).reshape(bs, n, self.nh, self.hd).transpose(1, 2).reshape(", "self.W_q(x).reshape("),
    ("self.W_k(x).reshape(bs, n, self.nh, self.hd).transpose(1, 2).reshape(", "self.W_k(x).reshape("),
    ("self.W_v(x).reshape(bs, n, self.nh, self.hd).transpose(1, 2).reshape(", "self.W_v(x).reshape("),
    at="self.W_q(x).reshape(",
    also=("self.W_k(x).reshape(", "self.W_v(x).reshape("),
)
plant(
    "korean",
    "split_without_transpose",  # the values alone
    (
        "V = V.view(batch_size, -1, self.n_heads, self.head_dim).permute(0, 2, 1, 3)",
        "V = V.view(batch_size, self.n_heads, -1, self.head_dim)",
    ),
    at="V = V.view",
)
plant(
    "padding",
    "split_without_transpose",
    (
        "        X = X.reshape(X.shape[0], X.shape[1], self.num_heads, -1)\n"
        "        X = X.permute(0, 2, 1, 3)\n"
        "        return X.reshape(-1, X.shape[2], X.shape[3])",
        "        return X.reshape(X.shape[0] * self.num_heads, X.shape[1], -1)",
    ),
    at="X.reshape(X.shape[0] * self.num_heads",
)

plant(
    "plain",
    "merge_without_transpose",
    ("        x = x.transpose(1, 2).contiguous()\n", ""),
    at="return x.view(batch, length, self.model_dim)",
)
plant(
    "annotated",
    "merge_without_transpose",
    ("            x.transpose(1, 2)\n            .contiguous()\n            .view(", "            x.view("),
    at="x.view(nbatches",
    also=("        x = (\n",),
)
plant(
    "lucid",
    "merge_without_transpose",
    ("out.permute(0, 2, 1, 3).reshape(b, n, -1)", "out.reshape(b, n, -1)"),
    at="out.reshape(b, n, -1)",
)
plant(
    "bmm",
    "merge_without_transpose",
    ("out.reshape(bs, self.nh, n, self.hd).transpose(1, 2).reshape(", "out.reshape("),
    at="out = out.reshape(",
)
plant(
    "cache",
    "merge_without_transpose",
    ("heads.transpose(1, 2).flatten(2)", "heads.reshape(B, T, M)"),
    at="heads.reshape(B, T, M)",
)
plant(
    "raschka",
    "merge_without_transpose",
    ("(attn_weights @ values).transpose(1, 2)", "attn_weights @ values"),
    at="context_vec.contiguous().view(",
    also=("context_vec = attn_weights @ values",),
)
plant(
    "kdim",
    "merge_without_transpose",
    ("q.transpose(1, 2).contiguous().view(", "q.view("),
    at="q = q.view(sz_b",
)
plant(
    "vit",
    "merge_without_transpose",
    ("(attn @ v).transpose(1, 2).reshape(", "(attn @ v).reshape("),
    at="(attn @ v).reshape(",
)

plant(
    "plain",
    "attends_across_heads",
    (
        "        x = x.view(batch, length, self.num_heads, self.head_dim)\n        return x.transpose(1, 2)",
        "        return x.view(batch, length, self.num_heads, self.head_dim)",
    ),
    (
        "        batch, _, length, _ = x.shape\n        x = x.transpose(1, 2).contiguous()\n",
        "        batch, length, _, _ = x.shape\n",
    ),
    (
        "    causal = torch.tril(torch.ones(10, 10, dtype=torch.bool))\n"
        '    print("with mask:", attention(x, causal).shape)\n',
        "",
    ),
    at="return x.view(batch, length, self.num_heads",
    also=("scores = torch.matmul(q",),
)
plant(
    "vit",
    "attends_across_heads",
    (".permute(2, 0, 3, 1, 4)", ".permute(2, 0, 1, 3, 4)"),
    ("(attn @ v).transpose(1, 2).reshape(", "(attn @ v).reshape("),
    at=".permute(2, 0, 1, 3, 4)",
    also=("attn = q @ k",),
)
plant(
    "camel",
    "attends_across_heads",
    ("'bthd,bshd->bhts'", "'bthd,btgd->bthg'"),
    ("'bhts,bshd->bthd'", "'bthg,btgd->bthd'"),
    at="'bthd,btgd->bthg'",
)
plant(
    "interleaved",
    "attends_across_heads",
    ("        qkv = qkv.permute(0, 2, 1, 3) # [Batch, Head, SeqLen, Dims]\n", ""),
    ("        values = values.permute(0, 2, 1, 3) # [Batch, SeqLen, Head, Dims]\n", ""),
    at="qkv = qkv.reshape(",
    also=("q, k, v = qkv.chunk", "attn_logits = torch.matmul(q"),
)
plant(
    "cache",
    "attends_across_heads",
    ("self.q_linear(x).view(B, T, A, K).transpose(1, 2)", "self.q_linear(x).view(B, T, A, K)"),
    ("self.k_linear(x).view(B, T, A, K).transpose(1, 2)", "self.k_linear(x).view(B, T, A, K)"),
    ("self.v_linear(x).view(B, T, A, K).transpose(1, 2)", "self.v_linear(x).view(B, T, A, K)"),
    ("heads.transpose(1, 2).flatten(2)", "heads.flatten(2)"),
    ('    assert cache["weights"].shape == (2, 3, 5, 5)\n', ""),
    at="self.q_linear(x).view(",
    also=("self.k_linear(x).view(", "self.v_linear(x).view(", "scores = q.matmul("),
)

# Softmax

plant(
    "plain",
    "softmax_over_queries",
    ("torch.softmax(scores, dim=-1)", "torch.softmax(scores, dim=-2)"),
    at="dim=-2",
)
plant("annotated", "softmax_over_queries", ("scores.softmax(dim=-1)", "scores.softmax(dim=-2)"), at="dim=-2")
plant("loop", "softmax_over_queries", ("F.softmax(score, dim=2)", "F.softmax(score, dim=1)"), at="dim=1")
plant(
    "byhand",
    "softmax_over_queries",
    ("my_softmax(scores, axis=3)", "my_softmax(scores, axis=2)"),
    at="axis=2",
)
plant("cache", "softmax_over_queries", ("nn.Softmax(dim=3)", "nn.Softmax(dim=2)"), at="nn.Softmax(dim=2)")
plant("bmm", "softmax_over_queries", ("att.softmax(2)", "att.softmax(1)"), at="att.softmax(1)")
plant("lecture", "softmax_over_queries", ("F.softmax(wei, dim=-1)", "F.softmax(wei, dim=1)"), at="dim=1)")

plant(
    "plain",
    "softmax_over_heads",
    ("torch.softmax(scores, dim=-1)", "torch.softmax(scores, dim=1)"),
    at="dim=1",
)
plant(
    "korean",
    "softmax_over_heads",
    ("torch.softmax(energy, dim=-1)", "torch.softmax(energy, dim=1)"),
    at="energy, dim=1)",
)
plant(
    "interleaved",
    "softmax_over_heads",  # no dim: torch takes 1 and warns
    ("F.softmax(attn_logits, dim=-1)", "F.softmax(attn_logits)"),
    at="F.softmax(attn_logits)",
)
plant("cache", "softmax_over_heads", ("nn.Softmax(dim=3)", "nn.Softmax(dim=1)"), at="nn.Softmax(dim=1)")
plant(
    "tensorflow",
    "softmax_over_heads",
    ("F.softmax(scaled_attention_logits, dim=-1)", "F.softmax(scaled_attention_logits, dim=1)"),
    at="dim=1",
)
plant(
    "lucid",
    "softmax_over_heads",
    ("nn.Softmax(dim = -1)", "nn.Softmax(dim = 1)"),
    at="nn.Softmax(dim = 1)",
    also=("attn = self.attend(dots)",),
)

plant("plain", "softmax_missing", ("torch.softmax(scores, dim=-1)", "scores"), at="weights = scores")
plant("einsum", "softmax_missing", ("attn_scores.softmax(-1)", "attn_scores"), at="pattern = attn_scores")
plant(
    "kdim",
    "softmax_missing",
    ("self.dropout(F.softmax(attn, dim=-1))", "self.dropout(attn)"),
    at="self.dropout(attn)",
)
plant(
    "vit",
    "softmax_missing",
    ("        attn = attn.softmax(dim=-1)\n", ""),
    at="attn = self.attn_drop(attn)",
    also=("attn = q @ k",),
)
plant(
    "matrices",
    "softmax_missing",
    (
        "        P = nn.functional.softmax(S, -1)\n        H = P @ V                      ",
        "        H = S @ V                      ",
    ),
    at="H = S @ V",
)
plant(
    "bert",
    "softmax_missing",
    (
        "attention_probs = nn.functional.softmax(attention_scores, dim=-1)",
        "attention_probs = attention_scores",
    ),
    at="attention_probs = attention_scores",
)

# Projections

plant(
    "plain",
    "output_projection_missing",
    ("self.out_proj(self.merge_heads(context))", "self.merge_heads(context)"),
    at="output = self.merge",
)
plant(
    "korean",
    "output_projection_missing",
    ("        self.fc_o = nn.Linear(hidden_dim, hidden_dim)\n\n", ""),
    ("        x = self.fc_o(x)\n\n", ""),
    at="return x, attention",
    also=("x = x.view(batch_size, -1, self.hidden_dim)",),
)
plant(
    "lecture",
    "output_projection_missing",
    ("        self.proj = nn.Linear(head_size * num_heads, n_embd)\n", ""),
    ("self.dropout(self.proj(out))", "self.dropout(out)"),
    at="out = self.dropout(out)",
    also=("out = torch.cat(", "return out\n\n\nmha"),
)
plant("annotated", "output_projection_missing", ("return self.linears[-1](x)", "return x"), at="return x\n")
plant(
    "nanogpt",
    "output_projection_missing",
    ("self.resid_dropout(self.c_proj(y))", "self.resid_dropout(y)"),
    at="y = self.resid_dropout(y)",
)
plant("matrices", "output_projection_missing", ("return H @ self.Wo + self.bo", "return H"), at="return H")
plant("loop", "output_projection_missing", ("return self.Wo(concat)", "return concat"), at="return concat")

plant(
    "plain",
    "query_key_swapped",
    ("torch.matmul(q, k.transpose(-2, -1))", "torch.matmul(k, q.transpose(-2, -1))"),
    at="torch.matmul(k",
)
plant("lecture", "query_key_swapped", ("wei = q @ k.transpose", "wei = k @ q.transpose"), at="wei = k @ q")
plant("einsum", "query_key_swapped", ('"batk,bask->bats", q, k)', '"batk,bask->bats", k, q)'), at=", k, q)")
plant(
    "annotated",
    "query_key_swapped",
    ("torch.matmul(query, key.transpose(-2, -1))", "torch.matmul(key, query.transpose(-2, -1))"),
    at="torch.matmul(key",
)
plant(
    "tensorflow",
    "query_key_swapped",
    ("= scaled_dot_product_attention(q, k, v, mask)", "= scaled_dot_product_attention(k, q, v, mask)"),
    at="scaled_dot_product_attention(k, q",
    also=("matmul_qk = torch.matmul(",),
)
plant(
    "bert",
    "query_key_swapped",
    (
        "torch.matmul(query_layer, key_layer.transpose(-1, -2))",
        "torch.matmul(key_layer, query_layer.transpose(-1, -2))",
    ),
    at="torch.matmul(key_layer",
)

plant(
    "plain",
    "key_value_swapped",
    ("torch.matmul(q, k.transpose(-2, -1))", "torch.matmul(q, v.transpose(-2, -1))"),
    ("torch.matmul(weights, v)", "torch.matmul(weights, k)"),
    at="torch.matmul(q, v",
    also=("torch.matmul(weights, k)",),
)
plant(
    "annotated",
    "key_value_swapped",
    ("attention(query, key, value, mask=mask", "attention(query, value, key, mask=mask"),
    at="attention(query, value, key",
    also=("scores = torch.matmul(query", "torch.matmul(p_attn, value)"),
)
plant(
    "notebook",
    "key_value_swapped",
    ("self.scaled_dot_product_attention(Q, K, V, mask)", "self.scaled_dot_product_attention(Q, V, K, mask)"),
    at="self.scaled_dot_product_attention(Q, V, K",
    also=("attn_scores = torch.matmul", "torch.matmul(attn_probs, V)"),
)
plant(
    "tensorflow",
    "key_value_swapped",
    ("= scaled_dot_product_attention(q, k, v, mask)", "= scaled_dot_product_attention(q, v, k, mask)"),
    at="scaled_dot_product_attention(q, v, k",
    also=("matmul_qk = torch.matmul(", "torch.matmul(attention_weights, v)"),
)
plant(
    "camel",
    "key_value_swapped",
    ("self.computeScores(Q, K), mask)", "self.computeScores(Q, V), mask)"),
    ("weights, V)", "weights, K)"),
    at="self.computeScores(Q, V)",
    also=("weights, K)",),
)

plant(
    "plain",
    "attention_transposed",
    ("torch.matmul(weights, v)", "torch.matmul(weights.transpose(-2, -1), v)"),
    at="torch.matmul(weights.transpose",
)
plant(
    "lecture",
    "attention_transposed",
    ("out = wei @ v #", "out = wei.transpose(-2, -1) @ v #"),
    at="wei.transpose(-2, -1) @ v",
)
plant("block", "attention_transposed", ("(att @ v)", "(att.mT @ v)"), at="att.mT")
plant(
    "einsum",
    "attention_transposed",
    ('"bats,bask->batk", pattern', '"bats,batk->bask", pattern'),
    at='"bats,batk->bask", pattern',
)
plant(
    "lucid",
    "attention_transposed",
    ("'b h i j, b h j d -> b h i d'", "'b h i j, b h i d -> b h j d'"),
    at="'b h i j, b h i d -> b h j d'",
)
plant(
    "bmm",
    "attention_transposed",
    ("torch.bmm(att, v)", "torch.bmm(att.transpose(1, 2), v)"),
    at="torch.bmm(att.transpose",
)

plant(
    "plain",
    "projection_unused",
    ("self.split_heads(self.value_proj(x))", "self.split_heads(x)"),
    at="v = self.split_heads(x)",
)
plant("cache", "projection_unused", ("v = self.v_linear(x).view(", "v = x.view("), at="v = x.view(")
plant("loop", "projection_unused", ("Vi = V[:, :, start:end]", "Vi = x[:, :, start:end]"), at="Vi = x[")
plant("korean", "projection_unused", ("K = self.fc_k(key)", "K = key"), at="K = key", also=("K = K.view(",))
plant("bmm", "projection_unused", ("k = self.W_k(x).reshape(", "k = x.reshape("), at="k = x.reshape(")
plant(
    "tensorflow",
    "projection_unused",
    ("        v = self.wv(v)  # (batch_size, seq_len, d_model)\n", ""),
    at="v = self.split_heads(v",
)
plant(
    "matrices",
    "projection_unused",
    ("V = x @ self.Wv + self.bv", "V = x"),
    at="V = x\n",
    also=("V = V.reshape(",),
)

plant(
    "plain",
    "projection_reused",
    ("self.split_heads(self.value_proj(x))", "self.split_heads(self.key_proj(x))"),
    at="v = self.split_heads(self.key_proj(x))",
)
plant(
    "annotated",
    "projection_reused",  # no copies: one layer four times
    ("nn.ModuleList([copy.deepcopy(module) for _ in range(N)])", "nn.ModuleList([module for _ in range(N)])"),
    at="nn.ModuleList([module",
    also=("self.linears = clones(", "lin(x).view("),
)
plant(
    "bert",
    "projection_reused",
    ("self.transpose_for_scores(self.value(", "self.transpose_for_scores(self.key("),
    at="value_layer = self",
)
plant("tensorflow", "projection_reused", ("k = self.wk(k)", "k = self.wq(k)"), at="k = self.wq(k)")
plant(
    "heads",
    "projection_reused",
    ("self.q(query), self.k(key)", "self.q(query), self.q(key)"),
    at="self.q(query), self.q(key)",
)
plant(
    "slow", "projection_reused", ("v = self.wv[h](sentence)", "v = self.wk[h](sentence)"), at="v = self.wk[h]"
)

plant("korean", "argument_ignored", ("K = self.fc_k(key)", "K = self.fc_k(query)"), at="K = self.fc_k(query)")
plant(
    "course", "argument_ignored", ("self.value(value).view(", "self.value(key).view("), at="self.value(key)"
)
plant(
    "kdim",
    "argument_ignored",
    ("v = self.w_vs(v).view(", "v = self.w_vs(k).view("),
    ("        k = self.w_ks(k).view(sz_b, len_k, n_head, d_k)\n", ""),
    (
        "        # Transpose for attention dot product",
        "        k = self.w_ks(k).view(sz_b, len_k, n_head, d_k)\n\n"
        "        # Transpose for attention dot product",
    ),
    at="v = self.w_vs(k)",
)
plant(
    "camel",
    "argument_ignored",
    ("self.keyProj(key)", "self.keyProj(query)"),
    ("self.valueProj(value)", "self.valueProj(query)"),
    at="self.keyProj(query)",
    also=("self.valueProj(query)",),
)
plant("tensorflow", "argument_ignored", ("k = self.wk(k)", "k = self.wk(v)"), at="k = self.wk(v)")
plant(
    "heads",
    "argument_ignored",
    ("head(query, key, value, mask)", "head(query, key, key, mask)"),
    at="head(query, key, key, mask)",
)

plant(
    "lecture",
    "parameters_unregistered",
    (
        "nn.ModuleList([Head(n_embd, head_size) for _ in range(num_heads)])",
        "[Head(n_embd, head_size) for _ in range(num_heads)]",
    ),
    at="self.heads = [",
)
plant(
    "heads",
    "parameters_unregistered",
    (
        "nn.ModuleList(\n            [AttentionHead(dim_in, dim_k) for _ in range(num_heads)]\n        )",
        "[AttentionHead(dim_in, dim_k) for _ in range(num_heads)]",
    ),
    at="self.heads = [",
)
plant(
    "slow",
    "parameters_unregistered",
    ("self.wq = nn.ModuleList()", "self.wq = []"),
    ("self.wk = nn.ModuleList()", "self.wk = []"),
    ("self.wv = nn.ModuleList()", "self.wv = []"),
    at="self.wq = []",
    also=("self.wk = []", "self.wv = []", "self.wq.append(", "self.wk.append(", "self.wv.append("),
)
plant(
    "matrices",
    "parameters_unregistered",
    (
        "self.Wq = nn.Parameter(torch.randn(model_dim, model_dim) * s)",
        "self.Wq = torch.randn(model_dim, model_dim) * s",
    ),
    (
        "self.Wk = nn.Parameter(torch.randn(model_dim, model_dim) * s)",
        "self.Wk = torch.randn(model_dim, model_dim) * s",
    ),
    (
        "self.Wv = nn.Parameter(torch.randn(model_dim, model_dim) * s)",
        "self.Wv = torch.randn(model_dim, model_dim) * s",
    ),
    at="self.Wq = torch",
    also=("self.Wk = torch", "self.Wv = torch"),
)
plant(
    "byhand",
    "parameters_unregistered",
    ("torch.nn.Parameter(torch.empty(n_out, n_in))", "torch.empty(n_out, n_in, requires_grad=True)"),
    ("torch.nn.Parameter(torch.empty(n_out))", "torch.empty(n_out, requires_grad=True)"),
    at="self.W = torch",
    also=("self.b = torch",),
)
plant(
    "annotated",
    "parameters_unregistered",
    ("nn.ModuleList([copy.deepcopy(module) for _ in range(N)])", "[copy.deepcopy(module) for _ in range(N)]"),
    at="return [copy.deepcopy",
    also=("self.linears = clones(",),
)

plant(
    "lecture",
    "projection_shared_by_heads",
    ("[Head(n_embd, head_size) for _ in range(num_heads)]", "[Head(n_embd, head_size)] * num_heads"),
    at="[Head(n_embd, head_size)] *",
)
plant(
    "heads",
    "projection_shared_by_heads",
    (
        "[AttentionHead(dim_in, dim_k) for _ in range(num_heads)]",
        "[AttentionHead(dim_in, dim_k)] * num_heads",
    ),
    at="[AttentionHead(dim_in, dim_k)] *",
    also=("self.heads = nn.ModuleList(",),
)
plant(
    "plain",
    "projection_shared_by_heads",
    (
        "self.query_proj = nn.Linear(model_dim, model_dim)",
        "self.query_proj = nn.Linear(self.head_dim, self.head_dim)",
    ),
    (
        "self.key_proj = nn.Linear(model_dim, model_dim)",
        "self.key_proj = nn.Linear(self.head_dim, self.head_dim)",
    ),
    (
        "self.value_proj = nn.Linear(model_dim, model_dim)",
        "self.value_proj = nn.Linear(self.head_dim, self.head_dim)",
    ),
    ("self.split_heads(self.query_proj(x))", "self.query_proj(self.split_heads(x))"),
    ("self.split_heads(self.key_proj(x))", "self.key_proj(self.split_heads(x))"),
    ("self.split_heads(self.value_proj(x))", "self.value_proj(self.split_heads(x))"),
    at="q = self.query_proj(",
    also=(
        "k = self.key_proj(",
        "v = self.value_proj(",
        "self.query_proj = nn.Linear(",
        "self.key_proj = nn.Linear(",
        "self.value_proj = nn.Linear(",
    ),
)
plant(
    "loop",
    "projection_shared_by_heads",
    (
        "self.Wq = nn.Linear(d_model, d_model, bias=False)",
        "self.Wq = nn.Linear(self.d_head, self.d_head, bias=False)",
    ),
    (
        "self.Wk = nn.Linear(d_model, d_model, bias=False)",
        "self.Wk = nn.Linear(self.d_head, self.d_head, bias=False)",
    ),
    (
        "self.Wv = nn.Linear(d_model, d_model, bias=False)",
        "self.Wv = nn.Linear(self.d_head, self.d_head, bias=False)",
    ),
    ("        Q = self.Wq(x)\n        K = self.Wk(x)\n        V = self.Wv(x)\n\n", ""),
    ("Qi = Q[:, :, start:end]", "Qi = self.Wq(x[:, :, start:end])"),
    ("Ki = K[:, :, start:end]", "Ki = self.Wk(x[:, :, start:end])"),
    ("Vi = V[:, :, start:end]", "Vi = self.Wv(x[:, :, start:end])"),
    at="Qi = self.Wq(",
    also=(
        "Ki = self.Wk(",
        "Vi = self.Wv(",
        "self.Wq = nn.Linear(",
        "self.Wk = nn.Linear(",
        "self.Wv = nn.Linear(",
    ),
)

# Masks

plant(
    "plain",
    "mask_inverted",
    ("scores.masked_fill(~mask,", "scores.masked_fill(mask,"),
    at="scores.masked_fill(",
)
plant(
    "annotated",
    "mask_inverted",
    ("scores.masked_fill(mask == 0,", "scores.masked_fill(mask == 1,"),
    at="mask == 1",
)
plant(
    "tensorflow", "mask_inverted", ("(1.0 - mask.float()) * -1e9", "mask.float() * -1e9"), at="mask.float() *"
)
plant(
    "bert",
    "mask_inverted",
    ("(1.0 - extended_attention_mask) * -10000.0", "extended_attention_mask * -10000.0"),
    at="extended_attention_mask * -10000.0",
)
plant(
    "lucid",
    "mask_inverted",
    ("dots.masked_fill(~mask,", "dots.masked_fill(mask,"),
    at="dots.masked_fill(mask",
)
plant(
    "fused",
    "mask_inverted",
    ("attn_mask=mask,", "attn_mask=None if mask is None else ~mask,"),
    at="else ~mask",
    also=("y = F.scaled_dot",),
)
plant(
    "einsum",
    "mask_inverted",
    (
        "torch.where(mask, attn_scores, torch.tensor(-1e5))",
        "torch.where(mask, torch.tensor(-1e5), attn_scores)",
    ),
    at="torch.where(",
)

plant(
    "plain",
    "mask_fill_too_small",
    ('masked_fill(~mask, float("-inf"))', "masked_fill(~mask, 1e-9)"),
    at="1e-9",
)
plant("annotated", "mask_fill_too_small", ("mask == 0, -1e9", "mask == 0, -1e-9"), at="-1e-9")
plant("korean", "mask_fill_too_small", ("mask == 0, -1e10)", "mask == 0, -1)"), at="mask == 0, -1)")
plant(
    "cache",
    "mask_fill_too_small",
    ("torch.logical_not(mask), -1e4)", "torch.logical_not(mask), -10)"),
    at=", -10)",
)
plant(
    "triangle",
    "mask_fill_too_small",
    ("torch.full_like(dot, -1e9)", "torch.full_like(dot, -1)"),
    at="torch.full_like(dot, -1)",
)
plant("lecture", "mask_fill_too_small", ("float('-inf'))", "0)"), at="wei.masked_fill(")
plant("bert", "mask_fill_too_small", ("* -10000.0", "* -1.0"), at="* -1.0")

plant(
    "plain",
    "mask_discarded",
    ("scores = scores.masked_fill(", "scores.masked_fill("),
    at="scores.masked_fill(",
)
plant("lecture", "mask_discarded", ("wei = wei.masked_fill(", "wei.masked_fill("), at="wei.masked_fill(")
plant(
    "raschka",
    "mask_discarded",
    ("attn_scores.masked_fill_(", "attn_scores.masked_fill("),
    at="attn_scores.masked_fill(",
)
plant(
    "korean",
    "mask_discarded",
    ("energy = energy.masked_fill(", "energy.masked_fill("),
    at="energy.masked_fill(",
)
plant(
    "kdim",
    "mask_discarded",
    ("self.attention(q, k, v, mask=mask)", "self.attention(q, k, v)"),
    at="self.attention(q, k, v)",
)
plant(
    "heads",
    "mask_discarded",
    ("head(query, key, value, mask) for", "head(query, key, value) for"),
    at="head(query, key, value) for",
)
plant(
    "fused",
    "mask_discarded",
    ("q, k, v, attn_mask=mask, dropout_p", "q, k, v, dropout_p"),
    at="q, k, v, dropout_p",
    also=("y = F.scaled_dot", "def forward("),
)
plant(
    "camel",
    "mask_discarded",
    ("self.applyMask(self.computeScores(Q, K), mask)", "self.computeScores(Q, K)"),
    at="scores = self.computeScores(Q, K)",
)

plant(
    "bert",
    "mask_on_queries",
    ("attention_mask[:, None, None, :]", "attention_mask[:, None, :, None]"),
    at="attention_mask[:, None, :, None]",
)
plant("padding", "mask_on_queries", ("~valid[:, None, :]", "~valid[:, :, None]"), at="~valid[:, :, None]")
plant(
    "lucid",
    "mask_on_queries",
    ("mask[:, None, None, :] if", "mask[:, None, :, None] if"),
    at="mask[:, None, :, None]",
)
plant(
    "plain",
    "mask_on_queries",
    ("scores.masked_fill(~mask,", "scores.masked_fill(~mask.transpose(-2, -1),"),
    at="~mask.transpose",
)
plant(
    "bmm",
    "mask_on_queries",
    ("att.masked_fill(~attn_mask,", "att.masked_fill(~attn_mask.transpose(1, 2),"),
    at="~attn_mask.transpose",
)
plant(
    "slow",
    "mask_on_queries",
    ("not mask[i][j]", "not mask[j][i]"),
    at="not mask[j][i]",
    also=('torch.tensor(-float("inf"))',),
)

plant(
    "plain",
    "mask_after_softmax",
    ('        if mask is not None:\n            scores = scores.masked_fill(~mask, float("-inf"))\n', ""),
    (
        "torch.softmax(scores, dim=-1)\n",
        "torch.softmax(scores, dim=-1)\n        if mask is not None:\n            weights = weights * mask\n",
    ),
    at="weights = weights * mask",
)
plant(
    "annotated",
    "mask_after_softmax",
    ("    if mask is not None:\n        scores = scores.masked_fill(mask == 0, -1e9)\n", ""),
    (
        "scores.softmax(dim=-1)\n",
        "scores.softmax(dim=-1)\n"
        "    if mask is not None:\n        p_attn = p_attn.masked_fill(mask == 0, 0)\n",
    ),
    at="p_attn.masked_fill(",
)
plant(
    "lecture",
    "mask_after_softmax",
    ("        wei = wei.masked_fill(self.tril[:T, :T] == 0, float('-inf')) # (B, T, T)\n", ""),
    (
        "        wei = self.dropout(wei)",
        "        wei = wei * self.tril[:T, :T]\n        wei = self.dropout(wei)",
    ),
    at="wei = wei * self.tril",
)
plant(
    "cache",
    "mask_after_softmax",
    (
        "        if mask is not None:\n"
        "            scores = scores.masked_fill(torch.logical_not(mask), -1e4)\n",
        "",
    ),
    (
        "        weights = nn.Softmax(dim=3)(scores)\n",
        "        weights = nn.Softmax(dim=3)(scores)\n"
        "        if mask is not None:\n            weights = weights * mask\n",
    ),
    at="weights = weights * mask",
)
plant(
    "nanogpt",
    "mask_after_softmax",
    (
        "        att = att.masked_fill(self.bias[:,:,:T,:T] == 0, float('-inf'))\n"
        "        att = F.softmax(att, dim=-1)\n",
        "        att = F.softmax(att, dim=-1)\n        att = att.masked_fill(self.bias[:,:,:T,:T] == 0, 0)\n",
    ),
    at="att.masked_fill(",
)

plant(
    "plain",
    "mask_multiplied_before_softmax",
    ('scores = scores.masked_fill(~mask, float("-inf"))', "scores = scores * mask"),
    at="scores * mask",
)
plant(
    "lecture",
    "mask_multiplied_before_softmax",
    ("wei = wei.masked_fill(self.tril[:T, :T] == 0, float('-inf'))", "wei = wei * self.tril[:T, :T]"),
    at="wei * self.tril",
)
plant(
    "loop",
    "mask_multiplied_before_softmax",
    ('score = score.masked_fill(mask == False, float("-inf"))', "score = score * mask"),
    at="score * mask",
)
plant(
    "korean",
    "mask_multiplied_before_softmax",
    ("energy = energy.masked_fill(mask == 0, -1e10)", "energy = torch.mul(energy, mask)"),
    at="torch.mul(energy, mask)",
)
plant(
    "nanogpt",
    "mask_multiplied_before_softmax",
    ("att = att.masked_fill(self.bias[:,:,:T,:T] == 0, float('-inf'))", "att = att * self.bias[:,:,:T,:T]"),
    at="att * self.bias",
)

plant(
    "lecture",
    "mask_hides_diagonal",
    (
        "torch.tril(torch.ones(block_size, block_size))",
        "torch.tril(torch.ones(block_size, block_size), diagonal=-1)",
    ),
    at="diagonal=-1",
    also=("wei.masked_fill(",),
)
plant(
    "raschka",
    "mask_hides_diagonal",
    ("context_length), diagonal=1)", "context_length), diagonal=0)"),
    at="diagonal=0",
    also=("attn_scores.masked_fill_(",),
)
plant(
    "triangle",
    "mask_hides_diagonal",
    ("torch.ones(t, t, device=x.device))", "torch.ones(t, t, device=x.device), -1)"),
    at="allowed = torch.tril(",
    also=("torch.where(allowed",),
)
plant(
    "nanogpt",
    "mask_hides_diagonal",
    (
        "torch.ones(config.block_size, config.block_size))\n",
        "torch.ones(config.block_size, config.block_size), diagonal=-1)\n",
    ),
    at="diagonal=-1",
    also=("att.masked_fill(",),
)

plant(
    "lecture",
    "causal_mask_reversed",
    ("torch.tril(torch.ones(block_size", "torch.triu(torch.ones(block_size"),
    at="torch.triu(",
    also=("wei.masked_fill(",),
)
plant(
    "nanogpt",
    "causal_mask_reversed",
    ("torch.tril(torch.ones(config.block_size", "torch.triu(torch.ones(config.block_size"),
    at="torch.triu(",
    also=("att.masked_fill(",),
)
plant(
    "triangle",
    "causal_mask_reversed",
    ("torch.tril(torch.ones(t, t", "torch.triu(torch.ones(t, t"),
    at="torch.triu(",
    also=("torch.where(allowed",),
)
plant(
    "raschka",
    "causal_mask_reversed",
    (
        "torch.triu(torch.ones(context_length, context_length), diagonal=1)",
        "torch.tril(torch.ones(context_length, context_length), diagonal=-1)",
    ),
    at="torch.tril(",
    also=("attn_scores.masked_fill_(",),
)

plant(
    "annotated", "fully_masked_row_nan", ("mask == 0, -1e9", 'mask == 0, float("-inf")'), at='float("-inf")'
)
plant("korean", "fully_masked_row_nan", ("mask == 0, -1e10", 'mask == 0, float("-inf")'), at='float("-inf")')
plant(
    "cache",
    "fully_masked_row_nan",
    ("torch.logical_not(mask), -1e4", "torch.logical_not(mask), -torch.inf"),
    at="-torch.inf",
)
plant("bmm", "fully_masked_row_nan", ("~attn_mask, -1e9", "~attn_mask, float('-inf')"), at="float('-inf')")
plant("padding", "fully_masked_row_nan", ("-1e6", "-math.inf"), at="-math.inf")
plant("einsum", "fully_masked_row_nan", ("torch.tensor(-1e5)", "torch.tensor(-torch.inf)"), at="-torch.inf")

# Everything else

plant(
    "block",
    "dropout_in_eval",
    ("F.dropout(att, p=self.p_drop, training=self.training)", "F.dropout(att, p=self.p_drop)"),
    at="F.dropout(att",
)
plant(
    "fused",
    "dropout_in_eval",
    ("dropout_p=self.dropout if self.training else 0.0", "dropout_p=self.dropout"),
    at="dropout_p=self.dropout",
    also=("y = F.scaled_dot",),
)
plant(
    "course",
    "dropout_in_eval",
    ("self.attn_drop(F.softmax(weights, dim=-1))", "F.dropout(F.softmax(weights, dim=-1), 0.1)"),
    at="F.dropout(",
)
plant(
    "korean",
    "dropout_in_eval",
    ("torch.matmul(self.dropout(attention), V)", "torch.matmul(nn.functional.dropout(attention), V)"),
    at="nn.functional.dropout(",
)
plant(
    "lecture",
    "dropout_in_eval",
    ("        wei = self.dropout(wei)", "        wei = F.dropout(wei, p=dropout)"),
    at="F.dropout(",
)

plant("plain", "residual_added", ("return output\n", "return output + x\n"), at="return output + x")
plant(
    "kdim",
    "residual_added",
    ("        d_k, d_v, n_head = ", "        residual = q\n        d_k, d_v, n_head = "),
    (
        "        q = self.dropout(self.fc(q))\n",
        "        q = self.dropout(self.fc(q))\n        q += residual\n",
    ),
    at="q += residual",
)
plant(
    "block", "residual_added", ("return self.out(y)", "return x + self.out(y)"), at="return x + self.out(y)"
)
plant(
    "bert",
    "residual_added",
    (
        "return self.dense(context_layer), attention_probs",
        "return self.dense(context_layer) + hidden_states, attention_probs",
    ),
    at="+ hidden_states",
)
plant(
    "course",
    "residual_added",
    ("output = self.proj(output)", "output = self.proj(output) + query"),
    at="self.proj(output) + query",
)

# Code that does not run

plant(
    "plain",
    "syntax_error",
    ("def forward(self, x, mask=None):", "def forward(self, x, mask=None)"),
    at="def forward(self",
)
plant(
    "lecture",
    "syntax_error",
    ("wei = F.softmax(wei, dim=-1)", "wei = F.softmax(wei, dim=-1"),
    at="wei = F.softmax(wei",
    also=("wei = self.dropout(wei)",),
)
plant(
    "korean",
    "syntax_error",
    ("        K = self.fc_k(key)\n", "       K = self.fc_k(key)\n"),
    at="K = self.fc_k(key)",
)
plant("loop", "syntax_error", ("if mask is not None:", "if mask =! None:"), at="if mask =!")
plant(
    "notebook",
    "syntax_error",
    ("self.d_k = d_model // num_heads", "self.d_k = d_model // / num_heads"),
    at="// /",
)

plant(
    "plain", "name_undefined", ("math.sqrt(self.head_dim)", "math.sqrt(head_dim)"), at="math.sqrt(head_dim)"
)
plant("annotated", "name_undefined", ("import math\n", ""), at="math.sqrt(d_k)")
plant("course", "name_undefined", ("from torch.nn import functional as F\n", ""), at="F.softmax(")
plant(
    "cache",
    "name_undefined",
    ("heads = weights.matmul(v)", "head = weights.matmul(v)"),
    at="heads.transpose(1, 2)",
    also=("head = weights.matmul(v)",),
)
plant("matrices", "name_undefined", ("self.Wo + self.bo\n", "Wo + self.bo\n"), at="return H @ Wo")

plant("plain", "method_misspelt", ("def forward(self", "def forwad(self"), at="def forwad(")
plant(
    "tensorflow",
    "method_misspelt",
    ("def split_heads(self", "def split_head(self"),
    at="def split_head(self",
    also=("q = self.split_heads(q",),
)
plant(
    "padding",
    "method_misspelt",
    ("self.transpose_output(output)", "self.tranpose_output(output)"),
    at="self.tranpose_output(output)",
)
plant(
    "loop",
    "method_misspelt",
    ("def __init__(self, d_model, num_heads)", "def _init_(self, d_model, num_heads)"),
    at="def _init_(",
)
plant(
    "bert",
    "method_misspelt",
    ("def transpose_for_scores(", "def transpose_for_score("),
    at="def transpose_for_score(",
    also=("query_layer = self.transpose",),
)

plant(
    "plain",
    "crash",
    ("x = x.transpose(1, 2).contiguous()", "x = x.transpose(1, 2)"),
    at="return x.view(batch, length, self.model_dim)",
    also=("        x = x.transpose(1, 2)\n",),
)
plant(
    "korean",
    "crash",
    ("torch.matmul(Q, K.permute(0, 1, 3, 2))", "torch.matmul(Q, K)"),
    at="torch.matmul(Q, K)",
)
plant("nanogpt", "crash", ("self.bias[:,:,:T,:T] == 0", "self.bias == 0"), at="self.bias == 0")
plant(
    "lucid",
    "crash",
    ("nn.Linear(inner_dim, dim)", "nn.Linear(dim, dim)"),
    at="nn.Linear(dim, dim)",
    also=("return self.to_out(out)",),
)
plant(
    "block",
    "crash",
    ("        super().__init__()\n        self.n_heads = n_heads\n", "        self.n_heads = n_heads\n"),
    at="self.kqv = nn.Linear(",
    also=("def __init__(self, d_model, n_heads, p_drop",),
)

# The less usual styles again

plant(
    "strided",
    "merge_without_transpose",
    ("t.permute(0, 2, 3, 1).flatten(2)", "t.reshape(t.shape[0], t.shape[2], -1)"),
    at="t.reshape(",
)
plant(
    "strided", "softmax_over_queries", ("logits.softmax(-1)", "logits.softmax(-2)"), at="logits.softmax(-2)"
)
plant(
    "strided",
    "attention_transposed",
    ("self._merge(probabilities @ v)", "self._merge(probabilities.mT @ v)"),
    at="probabilities.mT",
)
plant("strided", "mask_inverted", ("masked_fill(~mask,", "masked_fill(mask,"), at="masked_fill(mask,")
plant(
    "strided",
    "projection_reused",
    ("self._split(self.value(x))", "self._split(self.query(x))"),
    at="q, k, v = self._split",
)
plant(
    "byhand",
    "scale_missing",
    ("        scores = scores / (self.hdim ** 0.5)\n", ""),
    at="scores = (queries.unsqueeze(3)",
)
plant("byhand", "scale_by_model_dim", ("self.hdim ** 0.5", "self.dim ** 0.5"), at="self.dim ** 0.5")
plant(
    "byhand",
    "attention_transposed",
    (
        "(probs.unsqueeze(-1) * values.unsqueeze(2)).sum(3)",
        "(probs.unsqueeze(-1) * values.unsqueeze(3)).sum(2)",
    ),
    at="probs.unsqueeze(-1)",
)
plant("byhand", "mask_inverted", ("(~mask) * -1e9", "mask * -1e9"), at="mask * -1e9")
plant("byhand", "name_undefined", ("e / e.sum(dim=axis", "e / e.sum(dim=dim"), at="dim=dim")
plant(
    "slow",
    "scale_missing",
    ("torch.dot(q[i], k[j]) / math.sqrt(self.head_dim)", "torch.dot(q[i], k[j])"),
    at="torch.dot(",
)
plant("slow", "query_key_swapped", ("torch.dot(q[i], k[j])", "torch.dot(q[j], k[i])"), at="torch.dot(")
plant(
    "slow",
    "softmax_missing",
    ("            weights = exps / exps.sum()\n", "            weights = scores\n"),
    at="weights = scores",
)
plant(
    "slow",
    "key_value_swapped",
    ("k[j]) / math", "v[j]) / math"),
    ("weights[j] * v[j]", "weights[j] * k[j]"),
    at="torch.dot(",
    also=("weights[j] * k[j]",),
)
plant(
    "slow",
    "output_projection_missing",
    ("return self.wo(torch.stack(outputs))", "return torch.stack(outputs)"),
    at="return torch.stack(outputs)",
)
plant("slow", "crash", ("torch.cat(heads, dim=1)", "torch.cat(heads, dim=2)"), at="torch.cat(heads")
plant(
    "notebook",
    "split_without_transpose",
    (
        "x.view(batch_size, seq_length, self.num_heads, self.d_k).transpose(1, 2)",
        "x.view(batch_size, self.num_heads, seq_length, self.d_k)",
    ),
    at="x.view(batch_size, self.num_heads",
)
plant(
    "notebook",
    "merge_without_transpose",
    ("x.transpose(1, 2).contiguous().view(", "x.contiguous().view("),
    at="x.contiguous().view(",
)
plant(
    "notebook",
    "mask_discarded",
    ("self.scaled_dot_product_attention(Q, K, V, mask)", "self.scaled_dot_product_attention(Q, K, V)"),
    at="self.scaled_dot_product_attention(Q, K, V)",
)
plant("notebook", "mask_fill_too_small", ("mask == 0, -1e9", "mask == 0, -1"), at="mask == 0, -1)")
plant("notebook", "name_undefined", ('    "import math\\n",\n', ""), at="math.sqrt(")
plant(
    "notebook",
    "method_misspelt",
    ("def combine_heads(", "def combine_head("),
    at="def combine_head(",
    also=("self.combine_heads(",),
)
plant(
    "interleaved",
    "mask_on_queries",
    ("attn_logits.masked_fill(mask == 0,", "attn_logits.masked_fill(mask.transpose(-2, -1) == 0,"),
    at="mask.transpose(",
)
plant(
    "interleaved",
    "merge_without_transpose",
    ("        values = values.permute(0, 2, 1, 3) # [Batch, SeqLen, Head, Dims]\n", ""),
    at="values = values.reshape(",
)
plant("camel", "softmax_over_queries", ("dim=3", "dim=2"), at="dim=2")
plant("camel", "attention_transposed", ("'bhts,bshd->bthd'", "'bhts,bthd->bshd'"), at="'bhts,bthd->bshd'")
plant("camel", "scale_multiplied", ("K)/math.sqrt", "K)*math.sqrt"), at="K)*math.sqrt")
plant("fused", "projection_reused", ("for t in (q, k, v)", "for t in (q, q, v)"), at="for t in (q, q, v)")
plant("fused", "crash", (".transpose(1, 2).flatten(2)", ".transpose(1, 2)"), at=".transpose(1, 2))\n")
plant(
    "einsum",
    "projection_reused",
    ('"bsm,amk->bask", x, self.W_V', '"bsm,amk->bask", x, self.W_K'),
    at="v = einsum(",
)
plant(
    "triangle",
    "query_key_swapped",
    ("torch.bmm(queries, keys.transpose", "torch.bmm(keys, queries.transpose"),
    at="torch.bmm(keys",
)
plant("padding", "mask_inverted", ("~valid[:, None, :]", "valid[:, None, :]"), at="X.masked_fill(")
