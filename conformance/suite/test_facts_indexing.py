"""Section 3: indexing, what is a view and what is a copy.

Pages named in docstrings are relative to https://docs.pytorch.org/docs/stable/.
"""

import pytest

from conformance.suite.expectations import fact, flat, holds

X = "x = torch.arange(12.0).view(3, 4)"

# --- 3.1: basic indexing ----------------------------------------------------------------------------------------------

BASIC = {
    "x[1]": [4.0, 5.0, 6.0, 7.0],
    "x[-1, 2]": 10.0,
    "x[1:]": [[4.0, 5.0, 6.0, 7.0], [8.0, 9.0, 10.0, 11.0]],
    "x[:, 1::2]": [[1.0, 3.0], [5.0, 7.0], [9.0, 11.0]],
    "x[..., 0]": [0.0, 4.0, 8.0],
    "x[0:2, -2:]": [[2.0, 3.0], [6.0, 7.0]],
    "x[None, 0]": [[0.0, 1.0, 2.0, 3.0]],
    "x[0, :, None]": [[0.0], [1.0], [2.0], [3.0]],
    "x[...]": [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0], [8.0, 9.0, 10.0, 11.0]],
}


@fact("3.1", "ints slices ellipsis None view")
@pytest.mark.parametrize("index", BASIC)
def test_basic_indexing_gives_these_elements_as_a_view(check, index):
    """3.1, tensor_view.html"""
    shown = check(f"{X}\ny = {index}\nz = y.clone()\ny += 100")
    holds(shown.z, BASIC[index])
    written = [value + 100 for value in flat(BASIC[index])]
    assert [value for row in shown.x.tolist() for value in row if value >= 100] == written


@fact("3.1", "write_through")
def test_writing_through_a_view_writes_the_source(check):
    """3.1, tensor_view.html"""
    shown = check("""
        x = torch.zeros(2, 3)
        y = x[0, :]
        y += 1
        x[1] = 5
        z = x[1, 1:]
        """)
    holds(shown.x, [[1.0, 1.0, 1.0], [5.0, 5.0, 5.0]])
    holds(shown.y, [1.0, 1.0, 1.0])
    holds(shown.z, [5.0, 5.0])


@fact("3.1", "version_counter")
def test_a_view_and_its_source_share_one_version_counter(check):
    """3.1, notes/autograd.html#in-place-correctness-checks"""
    shown = check("""
        x = torch.zeros(2, 3)
        y = x[0]
        z = y[1:]
        z.add_(1)
        x.mul_(2)
        y[0] = 3
        """)
    assert (shown.x._version, shown.y._version, shown.z._version) == (3, 3, 3)


@fact("3.1", "ints")
@pytest.mark.parametrize(
    ("index", "text"),
    [
        ("x[3]", "index 3 is out of bounds for dimension 0 with size 3"),
        ("x[0, -5]", "index -5 is out of bounds for dimension 1 with size 4"),
        ("x[0, 0, 0]", "too many indices for tensor of dimension 2"),
    ],
)
def test_an_index_out_of_range_is_an_IndexError(check, index, text):
    """3.1, tensors.html"""
    assert check(f"{X}\ny = {index}").errors == [("IndexError", text)]


@fact("3.1", "slices")
def test_a_step_must_be_positive(check):
    """3.1, tensors.html"""
    assert check(f"{X}\ny = x[::-1]").errors == [("ValueError", "step must be greater than zero")]


# --- 3.2: selections that copy, and writes ----------------------------------------------------------------------------

COPIES = {
    "index_select": ("torch.index_select(x, 1, torch.tensor([2, 0]))", [[2.0, 0.0], [6.0, 4.0], [10.0, 8.0]]),
    "masked_select": ("torch.masked_select(x, x > 8)", [9.0, 10.0, 11.0]),
    "gather": ("torch.gather(x, 0, torch.tensor([[2, 1, 0, 0]]))", [[8.0, 5.0, 2.0, 3.0]]),
    "take": ("torch.take(x, torch.tensor([[0, 11], [5, -1]]))", [[0.0, 11.0], [5.0, 11.0]]),
    "lists": ("x[[0, 2]]", [[0.0, 1.0, 2.0, 3.0], [8.0, 9.0, 10.0, 11.0]]),
    "integer_tensors": ("x[torch.tensor([0, 2]), torch.tensor([1, 3])]", [1.0, 11.0]),
    "bool_masks": ("x[x > 8]", [9.0, 10.0, 11.0]),
    "bool_rows": ("x[torch.tensor([True, False, True])]", [[0.0, 1.0, 2.0, 3.0], [8.0, 9.0, 10.0, 11.0]]),
    "mixed": ("x[1:, [3, 0]]", [[7.0, 4.0], [11.0, 8.0]]),
}


@fact("3.2", "index_select masked_select gather take lists integer_tensors bool_masks")
@pytest.mark.parametrize("name", COPIES)
def test_selections_give_these_elements_as_a_copy(check, name):
    """3.2, torch.html#indexing-slicing-joining-mutating-ops, tensor_view.html"""
    call, values = COPIES[name]
    shown = check(f"{X}\ny = {call}\nz = y.clone()\ny += 100")
    holds(shown.z, values)
    holds(shown.x, [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0], [8.0, 9.0, 10.0, 11.0]])
    assert shown.x._version == 0


@fact("3.2", "nonzero")
def test_nonzero_gives_the_indices_row_by_row(check):
    """3.2, generated/torch.nonzero.html"""
    shown = check("""
        x = torch.tensor([[0.0, 2.0], [3.0, 0.0]])
        y = torch.nonzero(x)
        e = torch.zeros(3).nonzero()
        """)
    holds(shown.y, [[0, 1], [1, 0]], "int64")
    holds(shown.e, [], "int64", shape=(0, 1))


@fact("3.2", "nonzero")
def test_nonzero_as_tuple_gives_one_index_tensor_a_dimension(torch):
    """3.2, generated/torch.nonzero.html"""
    rows, columns = torch.tensor([[0.0, 2.0], [3.0, 0.0]]).nonzero(as_tuple=True)
    holds(rows, [0, 1], "int64")
    holds(columns, [1, 0], "int64")


WRITES = {
    "scatter_": ("x.scatter_(1, torch.tensor([[2], [0]]), 7.0)", [[0.0, 0.0, 7.0], [7.0, 0.0, 0.0]]),
    "scatter_tensor": (
        "x.scatter_(0, torch.tensor([[1, 0, 1]]), torch.tensor([[4.0, 5.0, 6.0]]))",
        [[0.0, 5.0, 0.0], [4.0, 0.0, 6.0]],
    ),
    "index_put_": (
        "x.index_put_((torch.tensor([0, 1]), torch.tensor([2, 0])), torch.tensor([8.0, 9.0]))",
        [[0.0, 0.0, 8.0], [9.0, 0.0, 0.0]],
    ),
    "index_put_accumulate": (
        "x.index_put_((torch.tensor([0, 0]), torch.tensor([1, 1])), torch.tensor(2.0), accumulate=True)",
        [[0.0, 4.0, 0.0], [0.0, 0.0, 0.0]],
    ),
    "list_set": ("x[[1, 0], [0, 2]] = 3", [[0.0, 0.0, 3.0], [3.0, 0.0, 0.0]]),
    "mask_set": (
        "x[torch.tensor([[True, False, True], [False, False, False]])] = 2",
        [[2.0, 0.0, 2.0], [0.0, 0.0, 0.0]],
    ),
    "masked_fill_": (
        "x.masked_fill_(torch.tensor([True, False, False]), 6)",
        [[6.0, 0.0, 0.0], [6.0, 0.0, 0.0]],
    ),
}


@fact("3.2", "scatter_ index_put_ lists bool_masks writes")
@pytest.mark.parametrize("name", WRITES)
def test_writes_through_an_index_change_the_tensor_itself(check, name):
    """3.2, generated/torch.Tensor.scatter_.html, generated/torch.Tensor.index_put_.html"""
    call, values = WRITES[name]
    shown = check(f"x = torch.zeros(2, 3)\nv = x.view(6)\nbefore = x\n{call}")
    assert shown.before is shown.x
    holds(shown.x, values)
    assert shown.v.tolist() == flat(values)


@fact("3.2", "uint8_mask")
def test_a_uint8_mask_still_indexes_with_a_warning(check):
    """3.2, tensors.html"""
    shown = check("""
        x = torch.tensor([5.0, 6.0, 7.0])
        y = x[torch.tensor([1, 0, 1], dtype=torch.uint8)]
        """)
    holds(shown.y, [5.0, 7.0])
    assert set(shown.warned) == {"UserWarning"}


@fact("3.2", "masked_select_refuses_uint8")
def test_masked_select_refuses_a_uint8_mask(check):
    """3.2, generated/torch.masked_select.html"""
    shown = check("y = torch.masked_select(torch.ones(2), torch.tensor([1, 0], dtype=torch.uint8))")
    assert shown.errors == [("RuntimeError", "masked_select: expected BoolTensor for mask")]


# --- 3.3: y[:] = ... --------------------------------------------------------------------------------------------------


@fact("3.3", "same_object same_storage")
def test_assigning_to_a_full_slice_keeps_the_object_and_its_storage(check):
    """3.3, tensors.html"""
    shown = check("""
        x = torch.tensor([1, 2])
        y = torch.tensor([3, 4])
        before = y
        seen = y.view(2, 1)
        y[:] = y + x
        """)
    assert shown.y is shown.before
    holds(shown.y, [4, 6], "int64")
    holds(shown.seen, [[4], [6]], "int64")


@fact("3.3", "casts_and_broadcasts")
def test_item_assignment_casts_and_broadcasts_what_it_writes(check):
    """3.3, notes/broadcasting.html"""
    shown = check("""
        x = torch.zeros(2, 3, dtype=torch.int64)
        x[:] = torch.tensor([1.9, -1.9, 2.0])
        x[0, 0] = 7.9
        x[:, 1] = torch.ones(3)
        """)
    holds(shown.x, [[7, -1, 2], [1, -1, 2]], "int64")
    assert shown.errors == [
        (
            "RuntimeError",
            "The expanded size of the tensor (2) must match the existing size (3) at non-singleton dimension 0.  "
            "Target sizes: [2].  Tensor sizes: [3]",
        )
    ]


# --- 3.4: gather and scatter_ -----------------------------------------------------------------------------------------


@fact("3.4", "gather_formula")
@pytest.mark.parametrize("dim", [0, 1])
def test_gather_follows_its_formula(torch, dim):
    """3.4, generated/torch.gather.html"""
    x = torch.tensor([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    index = torch.tensor([[2, 0, 1], [0, 1, 1]])
    out = torch.gather(x, dim, index)
    assert tuple(out.shape) == (2, 3)
    for i in range(2):
        for j in range(3):
            at = index[i][j].item()
            assert out[i][j].item() == (x[at][j] if dim == 0 else x[i][at]).item()


@fact("3.4", "gather_formula")
def test_gather_has_these_values(check):
    """3.4, generated/torch.gather.html"""
    shown = check("""
        x = torch.tensor([[1, 2], [3, 4]])
        y = torch.gather(x, 1, torch.tensor([[0, 0], [1, 0]]))
        z = x.gather(0, torch.tensor([[1, 0]]))
        w = x.gather(1, torch.tensor([[2]]))
        """)
    holds(shown.y, [[1, 1], [4, 3]], "int64")
    holds(shown.z, [[3, 2]], "int64")
    assert shown.errors == [("RuntimeError", "index 2 is out of bounds for dimension 1 with size 2")]


@fact("3.4", "scatter_is_the_inverse")
@pytest.mark.parametrize("dim", [0, 1])
def test_scatter_puts_back_what_gather_took(check, dim):
    """3.4, generated/torch.Tensor.scatter_.html"""
    shown = check(f"""
        x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
        i = torch.tensor([[2, 0, 1], [0, 1, 2], [1, 2, 0]])
        y = x.gather({dim}, i)
        z = torch.zeros(3, 3).scatter_({dim}, i, y)
        """)
    holds(shown.z, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
