"""The names that a program may use: the allow-list of the language, as tables by family of ops.

A program holds tensors, NumPy arrays and scalars, dtypes, devices, sizes, tuples, lists, numbers, grad_fn nodes and their
dicts, gradient edges, hook handles and generators, and the parser cannot tell which of them stands before a dot. So each
name below must be harmless on every one of these objects. Left out for that reason, and not to be added:

- what reaches files, other processes or shared memory: load, save, from_file, hub, tofile, dump, fromfile, memmap,
  share_memory_, ...
- what reaches raw memory or lets it dangle: data_ptr, storage, ctypes, frombuffer, ndarray.resize, setflags, lib
- what runs a Python callable other than a hook: apply_, map_, vectorize, fromfunction, jit, compile
- what looks a name up by text: set_default_tensor_type
- what changes the process for later programs: set_num_threads, set_printoptions, set_flush_denormal, set_default_device
  (random state, default dtype and grad mode may change: they are reset for every program)
- what differs from run to run: seed, storage addresses.

A new op is a word in one of these tables. They are written out and not read from the engine's registry, because `trace`
parses programs where there is no engine; a test of the suite keeps both lists equal.
"""

from typing import NamedTuple

from strategies.program import prelude


def _words(text: str) -> list[str]:
    return text.split()


class Names(NamedTuple):
    """Names of one family, separated by spaces. `in_place` names are written without their trailing underscore."""

    both: str = ""  # a function of torch and a method of tensors
    functions: str = ""  # of torch only
    methods: str = ""  # of tensors (or of the other objects a program can hold) only
    in_place: str = ""  # a method with a trailing underscore
    in_place_both: str = ""  # the same, and a function of torch with a trailing underscore too


POINTWISE = Names(
    both="""
        abs absolute neg negative positive sign sgn signbit reciprocal square sqrt rsqrt
        ceil floor round trunc fix frac clamp clamp_min clamp_max clip nan_to_num
        add sub subtract mul multiply div divide true_divide floor_divide fmod remainder pow float_power
        addcmul addcdiv lerp copysign hypot logaddexp logaddexp2 heaviside gcd lcm
        exp exp2 expm1 log log1p log2 log10 xlogy logit sigmoid relu
        sin cos tan asin acos atan atan2 arcsin arccos arctan arctan2 sinc deg2rad rad2deg
        sinh cosh tanh asinh acosh atanh arcsinh arccosh arctanh
        erf erfc erfinv lgamma digamma
        conj_physical angle
        maximum minimum fmax fmin where
        logical_and logical_or logical_xor logical_not
        bitwise_and bitwise_or bitwise_xor bitwise_not bitwise_left_shift bitwise_right_shift
        hardshrink prelu frexp ldexp nextafter i0 igamma igammac polygamma mvlgamma
    """,
    functions="""
        rsub complex polar
    """,
    in_place="""
        absolute add sub subtract mul multiply div divide true_divide floor_divide fmod remainder pow float_power
        addcmul addcdiv lerp copysign hypot heaviside sign sgn erfinv lgamma digamma atan2 arctan2
        logical_and logical_or logical_xor logical_not
        bitwise_and bitwise_or bitwise_xor bitwise_not bitwise_left_shift bitwise_right_shift
        nextafter igamma igammac polygamma mvlgamma
    """,
    in_place_both="""
        abs neg negative reciprocal square sqrt rsqrt ceil floor round trunc fix frac
        clamp clamp_min clamp_max clip nan_to_num exp exp2 expm1 log log1p log2 log10 xlogy logit sigmoid relu
        sin cos tan asin acos atan arcsin arccos arctan sinc deg2rad rad2deg
        sinh cosh tanh asinh acosh atanh arcsinh arccosh arctanh erf erfc gcd lcm conj_physical
        i0 ldexp
    """,
)

COMPARISON = Names(
    both="""
        eq ne lt le gt ge not_equal less less_equal greater greater_equal equal isclose allclose
        isnan isinf isfinite isposinf isneginf isreal
        sort argsort msort topk kthvalue unique unique_consecutive
    """,
    in_place="eq ne lt le gt ge not_equal less less_equal greater greater_equal",
)

REDUCTION = Names(
    both="""
        sum nansum prod mean nanmean median nanmedian mode std var norm dist logsumexp
        max min amax amin aminmax argmax argmin all any count_nonzero quantile nanquantile
        cumsum cumprod cummax cummin logcumsumexp softmax log_softmax
        bincount diff
        renorm histc histogram cov corrcoef
    """,
    functions="std_mean var_mean",
    in_place="cumsum cumprod renorm",
)

CREATION = Names(
    functions="""
        tensor as_tensor asarray scalar_tensor empty zeros ones full eye arange linspace logspace
        empty_like zeros_like ones_like full_like empty_strided
        Tensor FloatTensor DoubleTensor HalfTensor BFloat16Tensor IntTensor LongTensor ShortTensor CharTensor
        ByteTensor BoolTensor
        tril_indices triu_indices meshgrid
    """,
    methods="new_tensor new_empty new_zeros new_ones new_full new_empty_strided",
)

RANDOM = Names(
    both="bernoulli multinomial",
    functions="""
        rand randn randint normal randperm rand_like randn_like randint_like
        manual_seed initial_seed Generator dropout
    """,
    methods="manual_seed initial_seed",  # of a generator
    in_place="uniform normal random bernoulli exponential geometric cauchy log_normal",
)

INDEXING = Names(
    both="""
        index_select masked_select masked_fill masked_scatter nonzero argwhere gather scatter scatter_add
        take take_along_dim put index_put index_add index_copy index_fill
        select_scatter slice_scatter diagonal_scatter as_strided_scatter nonzero_static
        scatter_reduce index_reduce
    """,
    methods="copy fill",  # of arrays
    in_place="""
        masked_fill masked_scatter scatter scatter_add put index_add index_copy index_fill copy
        scatter_reduce index_reduce fill_diagonal
    """,
    in_place_both="index_put fill zero",
    functions="fill",
)

VIEW = Names(
    both="""
        as_strided squeeze unsqueeze permute transpose swapaxes swapdims movedim moveaxis t
        narrow select diagonal split split_with_sizes chunk unbind tensor_split hsplit vsplit dsplit
        broadcast_to unflatten reshape flatten ravel detach resolve_neg
    """,
    functions="real imag view_as_real view_as_complex broadcast_tensors",
    methods="view view_as reshape_as expand expand_as unfold numpy",
    in_place="squeeze unsqueeze transpose swapaxes swapdims t",
    in_place_both="as_strided detach",
)

SHAPE = Names(
    both="tile repeat_interleave flip fliplr flipud roll rot90 clone narrow_copy",
    functions="""
        cat concat concatenate stack hstack vstack dstack column_stack row_stack
        atleast_1d atleast_2d atleast_3d broadcast_shapes
    """,
    methods="repeat contiguous resize_ resize_as_ set_",
)

LINALG = Names(
    both="""
        trace diag diag_embed diagflat triu tril mm bmm mv matmul addmm addbmm baddbmm addmv addr
        dot vdot inner outer ger kron cross inverse svd det logdet slogdet matrix_power
        cholesky cholesky_inverse cholesky_solve triangular_solve pinverse qr lu matrix_exp
    """,
    functions="""
        tensordot
        linalg.norm linalg.vector_norm linalg.matrix_norm linalg.det linalg.slogdet linalg.inv linalg.inv_ex
        linalg.solve linalg.solve_ex linalg.svd linalg.svdvals linalg.cholesky linalg.cholesky_ex linalg.cross linalg.vecdot
        linalg.matmul linalg.matrix_power linalg.diagonal
    """,
    in_place="triu tril addmm addbmm baddbmm addr",
    in_place_both="addmv",
)

CONVERSION = Names(
    both="is_floating_point is_complex is_signed is_nonzero",
    functions="""
        from_numpy device Size get_default_dtype set_default_dtype result_type promote_types can_cast
        finfo iinfo cuda.is_available cuda.device_count
    """,
    methods="""
        to type type_as float double half bfloat16 int long short char byte bool cfloat cdouble cpu cuda
        item tolist astype
    """,
)

AUTOGRAD = Names(
    functions="""
        autograd.grad autograd.backward autograd.graph.get_gradient_edge autograd.graph.increment_version
        autograd.graph.register_multi_grad_hook
        is_grad_enabled is_inference_mode_enabled set_grad_enabled is_anomaly_enabled autograd.set_detect_anomaly
        autograd.functional.jacobian autograd.functional.hessian autograd.functional.vjp autograd.functional.jvp
        autograd.functional.vhp autograd.functional.hvp
        vmap func.vmap func.grad func.grad_and_value func.vjp func.jvp func.jacrev func.jacfwd func.hessian
        autograd.forward_ad.make_dual autograd.forward_ad.unpack_dual
        autograd.forward_ad.enter_dual_level autograd.forward_ad.exit_dual_level
        autograd.gradcheck autograd.gradgradcheck
    """,
    methods="""
        backward retain_grad requires_grad_ register_hook register_post_accumulate_grad_hook register_prehook
        remove name
    """,
)

OTHER = Names(
    both="numel is_inference is_conj is_same_size get_device is_neg",
    functions="is_tensor",
    methods="""
        size dim ndimension nelement stride storage_offset element_size is_contiguous is_set_to _is_view
    """,
)

FAMILIES: dict[str, tuple[Names, ...]] = {
    "pointwise": (POINTWISE,),
    "comparison": (COMPARISON,),
    "reduction": (REDUCTION,),
    "creation": (CREATION,),
    "random": (RANDOM,),
    "indexing": (INDEXING,),
    "view": (VIEW,),
    "shape": (SHAPE,),
    "linalg": (LINALG,),
    "autograd": (AUTOGRAD,),
    "conversion": (CONVERSION,),
    "other": (OTHER,),
}

# Read without a call. Apart from `values` and `indices`, none of them names a method of an object that a program can
# hold: a bound method should not become a value, even though no program can call one. `mode` and `sign` of named
# tuples are missing for that reason: take them by position.
ATTRIBUTES = frozenset(
    _words("""
    shape dtype device layout ndim itemsize nbytes data grad grad_fn next_functions metadata saved_tensors needs_input_grad node
    requires_grad is_leaf retains_grad grad_dtype
    output_nr T mT real imag is_cpu is_cuda is_meta is_sparse is_quantized _version _base
    primal tangent
    values indices logabsdet U S V Vh info counts strides eps tiny smallest_normal resolution bits
    """)
)

ASSIGNABLE = frozenset({"grad", "data", "requires_grad", "grad_dtype"})

NUMPY_FUNCTIONS = frozenset(
    _words("""
    array asarray ascontiguousarray zeros ones full empty eye arange linspace zeros_like ones_like full_like
    empty_like copy float16 float32 float64 int8 int16 int32 int64 uint8 complex64 complex128 bool_
    add subtract multiply divide floor_divide remainder power negative abs sign sqrt square exp log sin cos tanh
    maximum minimum where clip sum prod mean std var max min argmax argmin any all cumsum sort argsort
    equal not_equal less less_equal greater greater_equal isnan isinf isfinite array_equal allclose may_share_memory
    logical_and logical_or logical_not bitwise_and bitwise_or bitwise_xor invert
    reshape ravel transpose swapaxes moveaxis squeeze expand_dims broadcast_to concatenate stack split flip roll
    tile repeat dot matmul outer trace diag tril triu take
    """)
)

_TORCH_VALUES = """
    float16 float32 float64 bfloat16 half float double uint8 int8 int16 int32 int64 short int long bool
    complex64 complex128 cfloat cdouble
    strided contiguous_format preserve_format channels_last nan inf pi e newaxis
"""
_NUMPY_VALUES = """
    float16 float32 float64 int8 int16 int32 int64 uint8 complex64 complex128 bool_
    nan inf pi e newaxis
"""

# Managers of a `with` block, and what they take: the names of their bools, and as many lambdas or strings.
_GRAPH = "torch.autograd.graph."
MANAGERS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        _words("torch.no_grad torch.enable_grad torch.autograd.no_grad torch.autograd.enable_grad"), ()
    ),
    **dict.fromkeys(
        _words("""
        torch.set_grad_enabled torch.inference_mode torch.autograd.set_grad_enabled torch.autograd.inference_mode
        """),
        ("mode",),
    ),
    "torch.autograd.detect_anomaly": ("check_nan",),
    "torch.autograd.set_detect_anomaly": ("mode", "check_nan"),
    _GRAPH + "saved_tensors_hooks": ("lambda", "lambda"),
    _GRAPH + "save_on_cpu": ("pin_memory",),
    _GRAPH + "disable_saved_tensors_hooks": ("string",),
    _GRAPH + "allow_mutation_on_saved_tensors": (),
    "torch.autograd.forward_ad.dual_level": (),
}

# The only calls that take a lambda beside the managers of blocks, and what its body must not call: a hook that runs backward,
# or saves tensors where it packs some, can run itself for ever.
TAKES_HOOK = frozenset(
    _words("""
    register_hook register_prehook register_post_accumulate_grad_hook autograd.graph.register_multi_grad_hook
    """)
)
_DUAL = frozenset(
    f"autograd.forward_ad.{name}" for name in _words("make_dual unpack_dual enter_dual_level exit_dual_level")
)
NOT_IN_HOOK = (
    TAKES_HOOK
    | _DUAL
    | {"backward", "autograd.grad", "autograd.backward"}
    | {f"prelude.{n}" for n in prelude.NAMES}
)
# What a function that is transformed may call of these, where a hook may not.
IN_FUNCTION = frozenset(_words("prelude.cube prelude.triple prelude.square"))

# Calls that make a function of their first argument. No function becomes a value: it is called at once, or is itself the
# first argument of one of the calls that take a function; `vjp` gives an output and a function, which are taken by position.
MAKES_PAIR = "func.vjp"
MAKES_FUNCTION = frozenset(
    _words("vmap func.vmap func.grad func.grad_and_value func.jacrev func.jacfwd func.hessian")
)
TAKES_FUNCTION = (
    MAKES_FUNCTION
    | {MAKES_PAIR, "func.jvp", "autograd.gradcheck", "autograd.gradgradcheck"}
    | {f"autograd.functional.{name}" for name in _words("jacobian hessian vjp jvp vhp hvp")}
)

KEYWORDS = frozenset(
    _words("""
    input self other A B type1 type2 real imag abs angle row col
    tensor tensors tensor1 tensor2 data x a exponent end start step steps base min max value values
    alpha beta out dtype device layout requires_grad memory_format non_blocking copy generator
    size shape stride storage_offset dim dims dim0 dim1 axis axis0 axis1 keepdim keepdims source destination order
    dimension offset length index indices src mask accumulate reduce fill_value wrap
    split_size_or_sections split_size split_sizes check_errors chunks sections indices_or_sections shifts repeats output_size
    k n m N diagonal descending stable largest sorted return_inverse return_counts minlength weights
    ord p q correction unbiased ddof rtol atol equal_nan rounding_mode decimals lambd upper
    low high mean std to replacement num_samples sigma median
    condition mat1 mat2 mat vec vec1 vec2 batch1 batch2 some compute_uv full_matrices driver left
    as_tuple indexing interpolation prepend append nan posinf neginf
    gradient grad_tensors grad_variables grad_outputs inputs outputs retain_graph create_graph allow_unused
    is_grads_batched materialize_grads only_inputs
    weight eps mode check_nan pin_memory force axes casting ndmin subok initial where num start_dim end_dim sizes
    v strict vectorize strategy outer_jacobian_strategy argnums has_aux in_dims out_dims randomness chunk_size
    primals tangents tangent level raise_exception nondet_tol check_undefined_grad check_grad_dtypes check_batched_grad
    check_forward_ad check_backward_ad fast_mode gen_non_contig_grad_outputs
    """)
)

# Strings are options of calls and nothing else: the words that some op takes, and a few that none takes.
STRINGS = frozenset(
    _words("""
    cpu cuda cuda:0 cuda:1 meta
    floor trunc up mean sum none prod amax amin add multiply max min fro nuc
    ij xy left right lower higher midpoint nearest linear reduced complete r tanh
    constant reflect replicate circular wrap raise clip
    C F A K no equiv safe same_kind unsafe
    bool uint8 int8 int16 int32 int64 float16 float32 float64 complex64 complex128
    torch.FloatTensor torch.DoubleTensor torch.HalfTensor torch.BFloat16Tensor torch.IntTensor torch.LongTensor
    torch.ShortTensor torch.CharTensor torch.ByteTensor torch.BoolTensor torch.float32 torch.cuda.FloatTensor
    forward-mode reverse-mode error different same any all
    bad
    """)
)

# Which integers of a call are sizes, so that a literal that asks for too much memory is refused.
#   "all": every integer and sequence; "integers": those outside sequences (a sequence is data); "sequences": those in
#   sequences; "first": the first argument; "third": the third; "range": start, end, step; "square": as "all", but a
#   single argument counts for rows and columns
SIZES: dict[str, str] = {
    **dict.fromkeys(
        _words("""
        zeros ones empty rand randn randperm empty_strided tril_indices triu_indices
        new_zeros new_ones new_empty new_empty_strided repeat tile expand broadcast_to resize_ repeat_interleave bincount
        np.zeros np.ones np.empty np.tile np.repeat np.broadcast_to
        """),
        "all",
    ),
    **dict.fromkeys(
        _words("""
        Tensor FloatTensor DoubleTensor HalfTensor BFloat16Tensor IntTensor LongTensor ShortTensor CharTensor
        ByteTensor BoolTensor multinomial tensor_split split np.split
        """),
        "integers",
    ),
    **dict.fromkeys(_words("eye diag diag_embed diagflat np.eye np.diag"), "square"),
    **dict.fromkeys(_words("randint normal set_ as_strided"), "sequences"),
    **dict.fromkeys(_words("full new_full np.full"), "first"),
    **dict.fromkeys(_words("linspace logspace np.linspace"), "third"),
    **dict.fromkeys(_words("arange np.arange"), "range"),
}
SIZE_KEYWORDS = frozenset(_words("size shape repeats n m N steps num minlength offset dims"))


def _functions(names: Names) -> list[str]:
    return _words(names.both) + _words(names.functions) + [name + "_" for name in _words(names.in_place_both)]


def _methods(names: Names) -> list[str]:
    in_place = _words(names.in_place) + _words(names.in_place_both)
    return _words(names.both) + _words(names.methods) + [name + "_" for name in in_place]


_TABLES = tuple(names for family in FAMILIES.values() for names in family)

FUNCTIONS = frozenset(
    {
        *("torch." + name for names in _TABLES for name in _functions(names)),
        *("np." + name for name in NUMPY_FUNCTIONS),
        *("prelude." + name for name in prelude.NAMES),
    }
)
METHODS = frozenset(name for names in _TABLES for name in _methods(names))
VALUES = frozenset("torch." + name for name in _words(_TORCH_VALUES)) | frozenset(
    "np." + name for name in _words(_NUMPY_VALUES)
)

_FAMILY_OF = {
    name: family
    for family, tables in FAMILIES.items()
    for names in tables
    for name in (*_functions(names), *_methods(names))
}


def family_of(call: str) -> str:
    """The family of a name in `Statement.calls`: "add_" is pointwise, "getitem" indexing, "operator.iadd" operator.

    The families are the keys of `FAMILIES` and "operator"; names that stand in no table are "other".
    """
    if call.startswith("operator."):
        return "operator"
    if call in ("getitem", "setitem"):
        return "indexing"
    if call.startswith("prelude."):
        return "autograd"
    return _FAMILY_OF.get(call.removeprefix("np."), "other")
