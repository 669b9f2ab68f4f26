"""Names in Keras and in TensorFlow that a configuration may use: what they do is compute.

Lists of what is allowed, not of what is known to be bad: what a later Keras brings is refused
until somebody has looked at it. Not in them: whatever takes a callable (``Switch``, ``Map``,
``Lambda``), reads files (``TFSMLayer``, ``StringLookup``), or is of another framework.
"""

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


LAYERS = _words(
    """
    Activation ActivityRegularization AdaptiveAveragePooling1D AdaptiveAveragePooling2D
    AdaptiveAveragePooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D
    Add AdditiveAttention AlphaDropout Attention AugMix AutoContrast Average AveragePooling1D
    AveragePooling2D AveragePooling3D AvgPool1D AvgPool2D AvgPool3D BatchNormalization
    Bidirectional CategoryEncoding CenterCrop Concatenate
    ContrastLimitedAdaptiveHistogramEqualization Conv1D Conv1DTranspose Conv2D Conv2DTranspose
    Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Convolution1D
    Convolution1DTranspose Convolution2D Convolution2DTranspose Convolution3D
    Convolution3DTranspose Cropping1D Cropping2D Cropping3D CuDNNGRU CuDNNLSTM CutMix Dense
    DepthwiseConv1D DepthwiseConv2D Discretization Dot Dropout EinsumDense ELU Embedding
    Equalization Flatten GaussianDropout GaussianNoise GlobalAveragePooling1D
    GlobalAveragePooling2D GlobalAveragePooling3D GlobalAvgPool1D GlobalAvgPool2D
    GlobalAvgPool3D GlobalMaxPool1D GlobalMaxPool2D GlobalMaxPool3D GlobalMaxPooling1D
    GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization GroupQueryAttention GRU GRUCell
    HashedCrossing Hashing Identity InputLayer LayerNormalization LeakyReLU LocallyConnected1D
    LocallyConnected2D LSTM LSTMCell Masking Maximum MaxNumBoundingBoxes MaxPool1D MaxPool2D
    MaxPool3D MaxPooling1D MaxPooling2D MaxPooling3D MelSpectrogram Minimum MixUp
    MultiHeadAttention Multiply Normalization Permute Pipeline PReLU RandAugment
    RandomBrightness RandomColorDegeneration RandomColorJitter RandomContrast RandomCrop
    RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale
    RandomHeight RandomHue RandomInvert RandomPerspective RandomPosterization RandomRotation
    RandomSaturation RandomSharpness RandomShear RandomTranslation RandomWidth RandomZoom ReLU
    RepeatVector Rescaling Reshape Resizing ReversibleEmbedding RMSNormalization RNN
    SeparableConv1D SeparableConv2D SeparableConvolution1D SeparableConvolution2D SimpleRNN
    SimpleRNNCell Softmax Solarization SpatialDropout1D SpatialDropout2D SpatialDropout3D
    SpectralNormalization StackedRNNCells STFTSpectrogram Subtract SyncBatchNormalization
    ThresholdedReLU TimeDistributed UnitNormalization UpSampling1D UpSampling2D UpSampling3D
    Wrapper ZeroPadding1D ZeroPadding2D ZeroPadding3D
    """
)
"""Layers of Keras 3 and Keras 2."""

MODELS = frozenset({"Functional", "Model", "Sequential"})

INITIALIZERS = _words(
    """
    Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity IdentityInitializer
    LecunNormal LecunUniform normal one Ones Orthogonal OrthogonalInitializer RandomNormal
    RandomUniform STFT STFTInitializer TruncatedNormal uniform VarianceScaling zero Zeros
    """
)
"""Initializers, by class and by the short names of Keras 2."""

REGULARIZERS = frozenset({"L1", "L2", "L1L2", "OrthogonalRegularizer"})
CONSTRAINTS = frozenset({"MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm", "RadialConstraint"})
DTYPE_POLICIES = _words(
    """
    AWQDTypePolicy DTypePolicy DTypePolicyMap FloatDTypePolicy GPTQDTypePolicy Int4DTypePolicy
    Policy QuantizedDTypePolicy QuantizedFloat8DTypePolicy
    """
)
QUANTIZERS = _words(
    """
    AbsMaxQuantizer Float8QuantizationConfig Int4QuantizationConfig Int8QuantizationConfig
    QuantizationConfig
    """
)

ACTIVATIONS = _words(
    """
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh
    leaky_relu linear log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink
    softmax softplus softsign sparse_plus sparse_sigmoid sparsemax squareplus swish tanh
    tanh_shrink threshold
    """
)
"""Activation functions."""

OPERATIONS = _words(
    """
    abs absolute adaptive_average_pool adaptive_max_pool add affine_transform all allclose
    amax amin angle any append arange arccos arccosh arcsin arcsinh arctan arctan2 arctanh
    argmax argmin argpartition argsort array array_split average average_pool bartlett
    batch_norm batch_normalization binary_crossentropy bincount bitwise_and bitwise_invert
    bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor blackman
    broadcast_to cast categorical_crossentropy cbrt cdist ceil celu cholesky cholesky_inverse
    clip concatenate conj conjugate conv conv_transpose convert_to_tensor copy corrcoef
    correlate cos cosh count_nonzero crop_images cross ctc_decode ctc_loss cumprod cumsum
    deg2rad depth_to_space depthwise_conv det diag diagflat diagonal diff digitize divide
    divide_no_nan dot dot_product_attention dsplit dstack eig eigh einsum elastic_transform
    elu empty empty_like equal erf erfc erfinv exp exp2 expand_dims expm1 extract_patches
    extract_patches_3d extract_sequences eye fabs fft fft2 flip fliplr flipud floor
    floor_divide fmax fmin fmod fold full full_like gaussian_blur gcd gelu geomspace get_item
    glu greater greater_equal hamming hanning hard_shrink hard_sigmoid hard_silu hard_swish
    hard_tanh heaviside histogram hsplit hstack hsv_to_rgb hypot i0 identity ifft2 imag
    in_top_k inner inv irfft isclose isfinite isin isinf isnan isneginf isposinf isreal istft
    kaiser kron layer_norm layer_normalization lcm ldexp leaky_relu left_shift less less_equal
    linspace log log10 log1p log2 log_sigmoid log_softmax logaddexp logaddexp2 logdet
    logical_and logical_not logical_or logical_xor logspace logsumexp lstsq lu_factor
    map_coordinates matmul matrix_rank max max_pool maximum mean median meshgrid min minimum
    mod moments moveaxis multi_hot multiply nan_to_num nanargmax nanargmin nancumprod
    nancumsum nanmax nanmean nanmedian nanmin nanpercentile nanprod nanquantile nanstd nansum
    nanvar ndim negative nextafter nonzero norm normalize not_equal one_hot ones ones_like
    outer pad pad_images percentile perspective_transform pinv polar power prod psnr ptp qr
    quantile rad2deg ravel real rearrange reciprocal relu relu6 repeat reshape resize rfft
    rgb_to_grayscale rgb_to_hsv right_shift rms_norm rms_normalization roll rot90 round rsqrt
    saturate_cast scale_and_translate scatter scatter_update searchsorted segment_max
    segment_min segment_prod segment_sum select selu separable_conv shape sigmoid sign signbit
    silu sin sinc sinh size slice slice_update slogdet sobel_edges soft_shrink softmax
    softplus softsign solve solve_triangular sort space_to_depth
    sparse_categorical_crossentropy sparse_plus sparse_sigmoid sparsemax split sqrt square
    squareplus squeeze ssim stack std stft stop_gradient subtract sum svd swapaxes swish take
    take_along_axis tan tanh tanh_shrink tensordot threshold tile top_k trace transpose
    trapezoid tri tril triu true_divide trunc unfold unique unravel_index unstack vander var
    vdot view view_as_complex view_as_real vsplit vstack where zeros zeros_like
    """
)
"""Functions of ``keras.ops``; their classes have the same names in another spelling."""

OPTIMIZERS = _words(
    """
    Adadelta Adafactor Adagrad Adam Adamax AdamW CosineDecay CosineDecayRestarts
    ExponentialDecay Ftrl InverseTimeDecay Lamb Lion LossScaleOptimizer MultiOptimizer Muon
    Nadam PiecewiseConstantDecay PolynomialDecay RMSprop ScheduleFreeAdamW SGD
    """
)
"""Optimisers and schedules: networks within a network are compiled while they load."""

LOSSES = _words(
    """
    BinaryCrossentropy BinaryFocalCrossentropy CategoricalCrossentropy
    CategoricalFocalCrossentropy CategoricalGeneralizedCrossEntropy CategoricalHinge Circle
    CosineSimilarity CTC Dice Hinge Huber KLDivergence LogCosh MeanAbsoluteError
    MeanAbsolutePercentageError MeanSquaredError MeanSquaredLogarithmicError Poisson
    SparseCategoricalCrossentropy SquaredHinge Tversky
    """
)
"""Losses."""

METRICS = _words(
    """
    Accuracy AUC BinaryAccuracy BinaryCrossentropy BinaryIoU CategoricalAccuracy
    CategoricalCrossentropy CategoricalHinge ConcordanceCorrelation CosineSimilarity F1Score
    FalseNegatives FalsePositives FBetaScore Hinge IoU KLDivergence LogCoshError Mean
    MeanAbsoluteError MeanAbsolutePercentageError MeanIoU MeanMetricWrapper MeanSquaredError
    MeanSquaredLogarithmicError OneHotIoU OneHotMeanIoU PearsonCorrelation Poisson Precision
    PrecisionAtRecall R2Score Recall RecallAtPrecision RootMeanSquaredError
    SensitivityAtSpecificity SparseCategoricalAccuracy SparseCategoricalCrossentropy
    SparseTopKCategoricalAccuracy SpecificityAtSensitivity SquaredHinge Sum
    TopKCategoricalAccuracy TrueNegatives TruePositives
    """
)
"""Metrics."""

MEASURES = _words(
    """
    binary_accuracy binary_crossentropy binary_focal_crossentropy categorical_accuracy
    categorical_crossentropy categorical_focal_crossentropy
    categorical_generalized_cross_entropy categorical_hinge circle concordance_correlation
    cosine_similarity ctc dice hinge huber kl_divergence log_cosh mean_absolute_error
    mean_absolute_percentage_error mean_squared_error mean_squared_logarithmic_error
    pearson_correlation poisson sparse_categorical_accuracy sparse_categorical_crossentropy
    sparse_top_k_categorical_accuracy squared_hinge top_k_categorical_accuracy tversky
    """
)
"""Functions of ``keras.losses`` and ``keras.metrics``."""

GRAPH_FUNCTIONS = re.compile(
    r"(compat\.v1\.)?((math|image|__operators__)\.\w+|nn\.(\w*relu\w*|\w*elu|silu|swish|\w*softmax"
    r"|soft\w+|sigmoid|tanh|\w*conv\w*|\w*pool\w*|bias_add|\w*batch_norm\w*|l2_normalize|lrn"
    r"|local_response_normalization|moments|space_to_depth|depth_to_space|dropout)"
    r"|cast|concat|clip_by_value|expand_dims|squeeze|reshape|transpose|stack|unstack|tile|pad|split|shape|identity|stop_gradient|where"
    r"|zeros_like|ones_like|convert_to_tensor|reverse|reduce_\w+|abs|square|sqrt|pow|gather"
    r"|ones|zeros|fill|strided_slice|broadcast_to|maximum|minimum|add|subtract|multiply|divide)"
)
"""TensorFlow functions that networks of Keras 2 call."""
