import pytest
import torch

from dit_lite.analysis import mutual_information


def test_copies_tell_all_and_independent_coins_nothing():
    assert mutual_information(torch.eye(4) / 4) == pytest.approx(2)
    assert mutual_information(torch.full((2, 8), 1 / 16)) == pytest.approx(0)


def test_bits_are_entropies_less_the_joint_entropy():
    joint = torch.rand(3, 5, generator=torch.Generator().manual_seed(0)).double()
    joint[1, 2] = 0
    joint /= joint.sum()

    def entropy(p):
        return torch.special.entr(p).sum().item() / torch.log(torch.tensor(2.0)).item()

    wanted = entropy(joint.sum(0)) + entropy(joint.sum(1)) - entropy(joint)
    assert mutual_information(joint) == pytest.approx(wanted)
    assert mutual_information(joint.mT) == pytest.approx(wanted)


@pytest.mark.parametrize(
    "joint", [torch.ones(2, 2), torch.tensor([0.5, 0.5]), torch.tensor([[1.5, -0.5]])]
)
def test_what_is_no_table_of_probabilities_is_refused(joint):
    with pytest.raises(ValueError, match="sum to 1"):
        mutual_information(joint)
