import sys

import pytest
import torch

from dit_lite.evaluation import (
    EXTRACTORS,
    Extractor,
    extract,
    finite,
    load_extractor,
    load_judge,
    real_images,
    require_classes,
)
from dit_lite.evaluation.networks import inception as inception_module
from dit_lite.evaluation.networks.inception import Inception


@pytest.fixture(scope="module")
def judge():
    return load_extractor("digits-judge")


def test_an_extractor_gives_what_its_network_sees(judge):
    images, _ = real_images("test")
    seen = extract(judge, images, batch_size=100)
    assert (seen.features.shape, seen.probabilities.shape, seen.lost) == (
        (355, judge.dimension),
        (355, judge.classes),
        0,
    )
    assert torch.allclose(
        seen.probabilities, load_judge()(images).double().softmax(1), atol=1e-6
    )
    assert (seen.extractor, seen.image_size) == ("digits-judge", 8)


def test_images_of_nan_are_counted_and_left_out(judge):
    images = real_images("test")[0][:20].clone()
    images[3, 0, 2, 2], images[7] = torch.nan, torch.inf
    seen = extract(judge, images)
    assert (len(seen.features), seen.lost) == (18, 2)
    assert [i for i, kept in enumerate(seen.kept) if not kept] == [3, 7]
    assert torch.equal(
        seen.features, extract(judge, images[finite(images).kept]).features
    )
    with pytest.raises(
        ValueError,
        match="all 20 rows hold NaN or infinity; the model that made them has diverged",
    ):
        extract(judge, images * torch.nan)


@pytest.mark.parametrize(
    ("images", "error", "said"),
    [
        (
            torch.rand(2, 1, 8, 8) * 255,
            ValueError,
            r"these look like \[0,255\]: use images / 127.5 - 1",
        ),
        (torch.randn(9, 1, 8, 8) * 3, ValueError, r"expected \[-1,1\]; clip samples"),
        (
            torch.zeros(2, 1, 8, 8, dtype=torch.uint8),
            TypeError,
            r"images are torch.uint8; expected floats in \[-1,1\]",
        ),
        (
            torch.zeros(1, 8, 8),
            ValueError,
            r"shape \(1, 8, 8\); expected \(n, C, H, W\)",
        ),
        (torch.zeros(0, 1, 8, 8), ValueError, "at least one image"),
        (
            -torch.ones(2, 3, 8, 8),
            ValueError,
            "'digits-judge' takes images with 1 channels and 8x8; got 2 with 3 "
            "channels and 8x8",
        ),
        (
            -torch.ones(2, 1, 32, 32),
            ValueError,
            "1 channels and 32x32; choose an extractor for these images, one of: "
            "digits-judge, cifar10-judge, imagenet64-judge, inception-v3",
        ),
    ],
)
def test_images_it_cannot_see_are_refused(judge, images, error, said):
    with pytest.raises(error, match=said):
        extract(judge, images)


def test_the_scale_from_zero_to_one_is_warned_of(judge):
    with pytest.warns(
        UserWarning, match=r"if that is the scale \[0,1\], use 2 \* images - 1"
    ):
        extract(judge, torch.rand(2, 1, 8, 8))


def test_an_unknown_extractor_is_refused_with_those_there_are():
    with pytest.raises(
        ValueError,
        match="extractor='vgg' is not known; choose one of: digits-judge, "
        "cifar10-judge, imagenet64-judge, inception-v3",
    ):
        load_extractor("vgg")


@pytest.mark.parametrize(
    ("labels", "reference", "said"),
    [
        ([0, 1, 2], [0, 0, 2], "the reference holds no image of class 1; sample only"),
        ([0, 3], [0], "labels hold 3; classes count from 0, and there are 3"),
        ([0], [0, -1], "reference labels hold -1"),
    ],
)
def test_a_class_that_the_reference_lacks_is_named(labels, reference, said):
    with pytest.raises(ValueError, match=said):
        require_classes(torch.tensor(labels), torch.tensor(reference), 3)


def test_inception_without_its_extra_names_it(monkeypatch):
    monkeypatch.setitem(
        sys.modules, "torch_fidelity.feature_extractor_inceptionv3", None
    )
    with pytest.raises(ImportError, match="pip install torch-fidelity"):
        EXTRACTORS["inception-v3"]()


@pytest.fixture
def fidelity():
    return pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")


@pytest.fixture
def weights(tmp_path, monkeypatch, fidelity):
    """A file of random weights in the layout of the published one."""
    network = fidelity.FeatureExtractorInceptionV3
    with monkeypatch.context() as patch:
        patch.setattr(fidelity, "load_state_dict_from_url", lambda *args, **kwargs: {})
        patch.setattr(network, "load_state_dict", lambda *args: None)
        state = network("random", ["2048"]).state_dict()
    torch.save(state, tmp_path / "random.pth")
    return tmp_path / "random.pth"


def test_inception_sees_bytes_as_torch_fidelity_does(weights):
    network = Inception(weights)
    images = (
        torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    )
    seen = extract(Extractor("inception-v3", None, 3, 2048, 1008, network), images)
    network.network.features_list = ["2048", "logits_unbiased"]
    features, logits = network.network(((images + 1) * 127.5).round().to(torch.uint8))
    assert torch.equal(seen.features, features)
    assert torch.allclose(seen.probabilities, logits.double().softmax(1), atol=1e-6)
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_weights_that_are_none_are_refused(tmp_path, fidelity):
    with pytest.raises(
        FileNotFoundError, match=r"there are no weights at .*download https"
    ):
        Inception(tmp_path / "missing.pth")
    (tmp_path / "code.pth").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(
        ValueError, match=r"code.pth does not hold weights of Inception-v3"
    ):
        Inception(tmp_path / "code.pth")
    torch.save({"other": torch.ones(2)}, tmp_path / "other.pth")
    with pytest.raises(
        ValueError, match=r"other.pth does not hold weights of this Inception-v3"
    ):
        Inception(tmp_path / "other.pth")


def test_inception_without_a_network_says_where_its_weights_belong(
    tmp_path, monkeypatch, fidelity
):
    def offline(*args, **kwargs):
        raise inception_module.URLError("no network")

    monkeypatch.setenv("DIT_LITE_DATA", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(
        FileNotFoundError, match=r"no network.*put https.*6726825d.pth at .*inception"
    ):
        Inception()
