"""A small classifier whose matrix products can be done by cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from nvmphys.errors import MissingTool

Array = NDArray[np.float64]

HIDDEN = 32
WEIGHT_DECAY = 0.3
TEST_SHARE = 1 / 3
_FULL_SCALE = 16.0
_MOST_STEPS = 5000
_TOGETHER = 32
"""Networks whose products are made in one call."""


@dataclass(frozen=True)
class Network:
    """A trained multilayer perceptron with ReLU between its layers, and the images that judge it.

    Attributes
    ----------
    weights : tuple of ndarray (input, output)
        Of each layer; what cells carry.
    biases : tuple of ndarray (output,)
        Of each layer; added digitally.
    inputs : ndarray (image, input)
        Inputs of the first layer, 0 … 1; none of them was trained on.
    labels : ndarray (image,)
        Their classes.
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    inputs: Array
    labels: NDArray[np.int64]

    def predict(self, weights: Sequence[Array]) -> NDArray[np.int64]:
        """Return the classes that other weights give, (network, image) from layers (network, input, output)."""
        now = self.inputs
        last = len(weights) - 1
        for k, (weight, bias) in enumerate(zip(weights, self.biases, strict=True)):
            now = now @ weight + bias
            if k < last:
                now = np.maximum(now, 0.0)
        return np.asarray(now.argmax(axis=-1), dtype=np.int64)

    def accuracy(self, weights: Sequence[Array]) -> Array:
        """Return the share of images that other weights classify rightly.

        Parameters
        ----------
        weights : sequence of ndarray (…, input, output)
            Of each layer, of any number of networks.

        Returns
        -------
        ndarray (…)

        Examples
        --------
        >>> eye = np.eye(2)
        >>> both = Network((eye,), (np.zeros(2),), np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 1]))
        >>> both.accuracy([np.stack([eye, eye[::-1]])])
        array([1., 0.])
        """
        shape = weights[0].shape[:-2]
        flat = [weight.reshape(-1, *weight.shape[-2:]) for weight in weights]
        right = np.empty(len(flat[0]))
        for low in range(0, right.size, _TOGETHER):
            some = slice(low, low + _TOGETHER)
            right[some] = (self.predict([layer[some] for layer in flat]) == self.labels).mean(axis=-1)
        return right.reshape(shape)

    @property
    def baseline(self) -> float:
        """Accuracy of its own weights in digital arithmetic."""
        return float(self.accuracy([weight[None] for weight in self.weights])[0])


def digits_network(hidden: int = HIDDEN, seed: int = 0) -> Network:
    """Train a classifier with one hidden layer on scikit-learn's digits: 1,797 images of 8 × 8 pixels, ten classes.

    A third of the images, the same share of each class, is left out to judge it. Training is L-BFGS to convergence with
    weight decay, on one thread: the same seed gives the same network.

    Parameters
    ----------
    hidden : int
        Units of the hidden layer.
    seed : int
        Of the split and of the first weights.

    Raises
    ------
    MissingTool
        "the first look at networks needs scikit-learn …".

    Notes
    -----
    The images are a copy of the test set of E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI
    Machine Learning Repository (1998), doi:10.24432/C50P49.

    Examples
    --------
    >>> network = digits_network(hidden=8)
    >>> [weight.shape for weight in network.weights], network.baseline > 0.9
    ([(64, 8), (8, 10)], True)
    """
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
        from sklearn.neural_network import MLPClassifier
    except ImportError as error:
        raise MissingTool(
            f"the first look at networks needs scikit-learn ({error}): pip install 'nvmphys[impact]'"
        ) from None
    pixels, labels = load_digits(return_X_y=True)
    train, test, train_labels, test_labels = train_test_split(
        pixels / _FULL_SCALE, labels, test_size=TEST_SHARE, random_state=seed, stratify=labels
    )
    model = MLPClassifier((hidden,), solver="lbfgs", alpha=WEIGHT_DECAY, max_iter=_MOST_STEPS, random_state=seed)
    with threadpool_limits(limits=1):
        model.fit(train, train_labels)
    return Network(tuple(model.coefs_), tuple(model.intercepts_), test, np.asarray(test_labels, dtype=np.int64))
