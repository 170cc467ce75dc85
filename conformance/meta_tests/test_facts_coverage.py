"""Every fact has a test: the table of all facts, row by row, against what the tests of the suite say they show.

A row is a section and a number; its words are its clauses. A test names what it shows with `@fact(row, clauses)`, runs
on every backend under test, and cites row and documentation page in its docstring.
"""

import functools
import importlib
import inspect
import pkgutil
import re

import pytest

from conformance import suite

FACTS = {
    "1.1": """
        empty zeros ones full eye arange linspace rand randn randint normal randperm uniform_ dtype= device= *_like new_*
    """,
    "1.2": "tensor_infers tensor_copies Tensor_default_dtype Tensor_of_size Tensor_1_and_tensor_1",
    "1.3": "size shape Size_is_a_tuple dim numel type type_as",
    "1.4": """
        seed_reproduces seed_low_32_bits rand_float32 rand_half rand_float64 randperm randint_32 randint_64 randn_blocks
        randn_2_ulp randn_tail randn_scalar randn_cache bernoulli_tensor_24 bernoulli_scalar_53 dropout_53 exponential_53
        multinomial_53
    """,
    "2.1": "operator function method add_ iadd out=",
    "2.2": "function_and_method_agree",
    "2.3": """
        abs add addcdiv addcmul ceil floor round trunc frac clamp exp log pow sqrt rsqrt neg reciprocal sigmoid sign sin cos
        tan tanh asin acos atan fmod remainder mul div sub lerp mod in_place_and_out special_values addcdiv_positional
    """,
    "2.4": "eq ne lt le gt ge equal max min topk sort argsort argmax argmin",
    "2.5": "sum prod mean median mode std var norm dist cumsum cumprod all any everything dim keepdim dtypes empty",
    "2.6": "categories dimensioned zero_dim python_number true_division in_place_keeps_dtype",
    "3.1": "ints slices ellipsis None view write_through version_counter",
    "3.2": """
        index_select masked_select nonzero gather scatter_ take index_put_ lists integer_tensors bool_masks writes uint8_mask
        masked_select_refuses_uint8
    """,
    "3.3": "same_object same_storage casts_and_broadcasts",
    "3.4": "gather_formula scatter_is_the_inverse",
    "4.1": """
        view_shares view_refuses_strides view_expressible reshape_shares reshape_copies contiguous is_contiguous stride
        storage_offset
    """,
    "4.2": """
        squeeze unsqueeze expand permute transpose t T flatten unfold as_strided narrow select split chunk unbind diagonal
        resize_
    """,
    "4.3": "clone_copies clone_recorded item",
    "4.4": "different_objects",
    "4.5": "numpy_shares from_numpy_shares tensor_copies numpy_refuses_grad",
    "5.1": "aligns_from_the_right stretches_1",
    "5.2": "error_names_sizes_and_dimension",
    "5.3": "in_place_keeps_shape in_place_stretches_the_other",
    "6.1": """
        trace diag triu tril mm bmm mv matmul addmm addbmm baddbmm addmv addr t dot dot_1d_only cross inverse svd
    """,
    "7.1": "to_device to_dtype to_both cuda.is_available factories_device= same_program_same_result",
    "8.1": "default_False set_on_a_leaf non_leaf_error floating_and_complex_only",
    "8.2": "any_input grad_mode grad_fn_names leaf_grad_fn_None",
    "8.3": "created without_grad detach switched_on_later",
    "8.4": "no_grad enable_grad set_grad_enabled inference_mode context_manager decorator",
    "8.5": "share_storage no_history detach_shares_version data_has_its_own_version data_is_assignable",
    "8.6": "requires_grad=True grad_fn=<...>",
    "9.1": "scalar_root gradient_needed gradient_shape vector_jacobian_product",
    "9.2": "accumulates leaves_that_require_grad retain_grad reading_warns clearing nn.Module.zero_grad assigned_grad",
    "9.3": "freed retain_graph create_graph",
    "9.4": "autograd.backward grad_variables_warns autograd.grad",
    "9.5": "row_by_row filled_by_items",
    "9.6": "value_without_gradient",
    "10.1": "type text",
    "10.2": "type text",
    "10.3": "type text",
    "10.4": "type text",
    "10.5": "type text",
    "10.6": "type text",
    "10.7": "type text",
    "10.8": "type text",
    "10.9": "type text",
    "10.10": "type text",
    "11.1": "nn.Module nn.Module.train_and_eval nn.Parameter nn.Linear nn.ReLU nn.init nn.containers",
    "11.2": "nn.MSELoss nn.one_linear_layer",
    "12.1": "jacobian jacobian_tuples create_graph strict strategy hessian vjp jvp v vhp hvp",
    "12.2": """
        grad argnums has_aux grad_and_value no_grad with_backward vjp jvp jacrev jacfwd hessian vmap in_dims out_dims
        vmap_errors captured_write
    """,
    "12.3": """
        make_dual unpack_dual level_deletes one_level as_is_or_copied views in_place detach with_backward no_formula
    """,
    "12.4": "passes fails double overlapping gradgradcheck",
    "13.1": """
        order replaces retain_grad_last before_in_place after_in_place retains_grad_moves removal checks
        needs_requires_grad
    """,
    "13.2": "sees_the_accumulated_gradient returns_None leaves_only",
    "13.3": "register_hook register_prehook order checks name next_functions metadata a_Node",
    "13.4": """
        pack_and_unpack keeps_history innermost_pair no_version_check checks save_on_cpu
        disable_saved_tensors_hooks allow_mutation_on_saved_tensors
    """,
    "13.5": "get_gradient_edge outlives_in_place increment_version",
    "14.1": "apply node_name saved_tensors nothing_recorded forward_without_grad",
    "14.2": "save_for_backward version_check output_has_history only_tensors",
    "14.3": "mark_dirty mark_dirty_view mark_dirty_refused",
    "14.4": "returned_as_is view_of_input",
    "14.5": "materialize_grads mark_non_differentiable other_outputs",
    "14.6": "needs_input_grad setup_context once_differentiable double_backward jvp save_for_forward",
    "14.7": "wrong_backward None_is_no_gradient not_instantiated",
    "15.1": "several_roots repeated_roots count gradient_dtype undefined_gradients",
    "15.2": "inputs inputs_checked dict_of_inputs allow_unused materialize_grads",
    "15.3": "is_grads_batched batch_checked",
    "15.4": "in_place out_of_place_with_create_graph checked strides",
    "16.1": "nan check_nan traceback",
    "16.2": "decorated generators recursion set_grad_enabled_decorates classes_warn inference_mode_nests",
    "17.1": "made_anew saved_self saved_result saved_as_needed saved_freed",
    "17.2": "differentiable convex concave continuity undefined random nan_arrives overload division_by_zero",
    "17.3": "non_leaves frozen used_later flag_is_overridden update factories evaluation",
    "17.4": "creator shared_storage checked_on_access no_error_is_right",
    "18.1": "conjugate real_to_real holomorphic boxed_formula product_with_a_number cross_domain",
    "18.2": """
        forward_and_backward one_convention domains parts_of_complex_outputs fast_mode second_order forward_mode tolerances
        kinks nondeterminism undefined_gradients batches
    """,
    "19.1": """
        once_and_often registered registered_on_a_function registered_twice registered_too_late registered_on_nothing
        live_input all_of_the_block other_objects
    """,
    "19.2": """
        tensor_hooks_of_inputs nodes_that_lead_on backward_runs_all not_executed post_accumulate_of_non_leaf
        post_accumulate_is_last post_accumulate_without_grad
    """,
    "19.3": "order retain_grad_before_prehooks order_at_a_leaf",
    "19.4": "multi_grad_all multi_grad_order multi_grad_any multi_grad_checks bound_to_the_old_node",
    "20.1": """
        list_of_views views_are_recorded several_views other_operations advanced_assignment maybe_views view_of_a_view
    """,
    "20.2": "empty_dimension without_copies in_place_example broadcast_gradient not_one_dimensional",
    "21.1": "allocated_within views_outside no_history_within no_view_tracking nests training_mode",
    "21.2": """
        no_version saved used_without_saving written_outside flag_outside flag_within clone written_within
        normal_written_within views_written_outside outer_grad increment_version
    """,
    "21.3": "no_forward_mode",
    "22.1": """
        direct_arguments tensor_or_tuple surplus_None unneeded of_other_arguments keywords on_ctx intermediates
        clear_saved_tensors_on_access boxed_grads_call mark_dirty_is_noticed checked
    """,
    "22.2": "as_many_tangents_as_inputs materialize_grads right_after_forward differentiable",
    "22.3": "setup_context_only reverse_needs_backward forward_needs_jvp higher_order",
    "23.1": """
        generated_rule rule_needed one_rule info in_dims computed_arguments rule_and_gradients no_batched_argument
        rule_returns
    """,
    "23.2": """
        like_a_loop writes_what_is_mapped new_zeros out_refused control_flow randomness aux autograd_within
    """,
    "24.1": "dense not_dense kept_in_place replaced manual made_anew",
    "24.2": "default after_the_graph any checked leaves_only",
    "24.3": """
        None_for_roots only_inputs retain_graph_default constants_by_lambda write_between factories Variable
    """,
    "24.4": "set_detect_anomaly set_multithreading_enabled",
    "24.5": "view_of_the_primal no_tangent_is_zero modules enter_and_exit",
}

# The sections of the official notes: each is cited by a test. Left out is what only several threads or C++ can show.
NOTES = {
    "notes/autograd.html": """
        how-autograd-encodes-the-history saved-tensors gradients-for-non-differentiable-functions division-by-zero-in-autograd
        setting-requires-grad grad-modes default-mode-grad-mode no-grad-mode inference-mode
        evaluation-mode-nn-module-eval in-place-operations-with-autograd in-place-correctness-checks
        autograd-for-complex-numbers what-are-complex-derivatives wirtinger-calculus-comes-into-the-picture
        how-is-wirtinger-calculus-useful-in-optimization
        how-does-pytorch-compute-the-conjugate-wirtinger-derivative
        how-can-i-write-my-own-derivative-formula-for-a-complex-function what-about-cross-domain-functions
        hooks-for-saved-tensors registering-hooks-for-a-saved-tensor registering-default-hooks-for-saved-tensors
        backward-hooks-execution whether-a-particular-hook-will-be-fired
        the-order-in-which-the-different-hooks-are-fired special-hooks
        behavior-of-tensor-hooks-when-tensor-is-modified-in-place
    """,
    "notes/broadcasting.html": "general-semantics in-place-semantics backwards-compatibility",
    "notes/gradcheck.html": """
        notations-and-background-information default-backward-mode-gradcheck-behavior functions-with-complex-outputs
        fast-backward-mode-gradcheck gradgradcheck-implementation
    """,
    "notes/extending.html": """
        how-to-use example combined-or-separate-forward-and-setup-context forward-mode-ad
    """,
    "notes/extending.func.html": """
        basic-usage example-2-autograd-function-specifies-custom-gradient-rules torch-vmap-support
        automatically-generate-a-vmap-rule defining-the-vmap-staticmethod torch-func-jvp-support
    """,
    "autograd.html": """
        functional-higher-level-api default-gradient-layouts manual-gradient-layouts in-place-correctness-checks
        variable-deprecated torch.autograd.Function anomaly-detection debugging-and-anomaly-detection
        saved-tensors-default-hooks torch.autograd.graph.disable_saved_tensors_hooks
        torch.autograd.graph.register_multi_grad_hook torch.autograd.graph.allow_mutation_on_saved_tensors
    """,
    "https://docs.pytorch.org/tutorials/intermediate/forward_ad_usage.html": "",
    "func.ux_limitations.html": """
        general-limitations torch-autograd-apis vmap-limitations mutation-in-place-pytorch-operations
        mutation-out-pytorch-operations data-dependent-python-control-flow randomness
    """,
    "notes/inference_mode.html": "migration-guide-from-autononvariabletypemode",
    "tensor_view.html": "",
}
PER_BACKEND = {"backend", "torch", "check"}
ABOUT_THE_TABLE = {"test_every_function_of_the_language_with_both_forms_is_in_the_table"}


@functools.cache
def fact_tests():
    """Name -> test, of all the fact modules of the suite."""
    found = {}
    for module in pkgutil.iter_modules(suite.__path__):
        if module.name.startswith("test_facts_"):
            for name, test in vars(importlib.import_module(f"{suite.__name__}.{module.name}")).items():
                if name.startswith("test_") and inspect.isfunction(test):
                    assert name not in found, f"two tests are called {name}"
                    found[name] = test
    return found


def showing(row):
    """Clause -> names of the tests that show it."""
    shown = {}
    for name, test in fact_tests().items():
        for in_row, clause in getattr(test, "shown_facts", ()):
            if in_row == row:
                shown.setdefault(clause, []).append(name)
    return shown


@pytest.mark.parametrize("row", FACTS)
def test_every_clause_of_a_row_has_a_test(row):
    assert sorted(showing(row)) == sorted(FACTS[row].split())


def test_every_fact_test_belongs_to_rows_of_the_table():
    for name, test in fact_tests().items():
        rows = {row for row, _ in getattr(test, "shown_facts", ())}
        assert rows, f"{name} names no fact"
        assert rows <= FACTS.keys(), f"{name} names unknown rows {rows - FACTS.keys()}"


def test_every_fact_test_cites_its_row_and_a_documentation_page():
    for name, test in fact_tests().items():
        cited = re.match(r"(\d+\.\d+), \S+\.html", test.__doc__ or "")
        assert cited, (
            f"{name}: the docstring should begin like '2.1, generated/torch.add.html', but is {test.__doc__!r}"
        )
        assert cited[1] in {row for row, _ in test.shown_facts}, (
            f"{name} cites row {cited[1]}, which it does not show"
        )


def test_every_section_of_the_notes_is_cited():
    cited = {
        page.rstrip(";,")
        for test in fact_tests().values()
        for page in re.findall(r"\S+\.html\S*", test.__doc__ or "")
    }
    sections = {
        page if section is None else f"{page}#{section}"
        for page, words in NOTES.items()
        for section in words.split() or [None]
    }
    assert not {page for page in sections if page not in cited}


def test_every_fact_test_runs_on_each_backend():
    for name, test in fact_tests().items():
        if name not in ABOUT_THE_TABLE:
            assert PER_BACKEND & inspect.signature(test).parameters.keys(), f"{name} asks for no backend"
