"""shapiq's estimators in a process of their own, on a Python that shapiq accepts; it imports nothing of ours.

Standard input brings pickled requests and values, standard output takes pickled questions and answers:
a request (method, players, budget, seed) is followed by questions ("values of?", coalitions) until
("done", Shapley values, processor seconds).
"""

import pickle
import sys
import time
import warnings

import numpy as np
import shapiq
from shapiq import approximator
from shapiq.approximator.regression.kadd_shap import kADDSHAP

METHODS = {
    "shapiq.KernelSHAP paired": lambda n, _, seed: approximator.KernelSHAP(n, pairing_trick=True, random_state=seed),
    "shapiq.LeverageSHAP": lambda n, _, seed: approximator.LeverageSHAP(n, random_state=seed),
    "shapiq.OddSHAP": lambda n, _, seed: approximator.OddSHAP(n, random_state=seed),
    "shapiq.ProxySHAP adjusted": lambda n, _, seed: approximator.ProxySHAP(
        n, max_order=1, index="SV", adjustment=True, random_state=seed
    ),
    "shapiq.PolySHAP order 3": lambda n, m, seed: approximator.PolySHAP(
        n, max_order=3, max_terms=max(n + 2, m // 2), pairing_trick=True, random_state=seed
    ),
    "shapiq.kADDSHAP order 3": lambda n, _, seed: kADDSHAP(n, max_order=3, pairing_trick=True, random_state=seed),
}


def send(*message):
    pickle.dump(message, sys.stdout.buffer)
    sys.stdout.buffer.flush()


def asked(coalitions):
    send("values of?", np.packbits(np.asarray(coalitions, dtype=bool), axis=1))
    return pickle.load(sys.stdin.buffer)  # noqa: S301 - our own parent


def serve():
    send("ready", shapiq.__version__)
    while True:
        try:
            method, n, budget, seed = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own parent
        except EOFError:
            return
        started = time.process_time()
        try:
            found = METHODS[method](n, budget, seed).approximate(budget, asked).get_n_order_values(1)
        except Exception as error:  # whatever it is, it is the peer's answer
            send("failed", repr(error)[:200], 0.0)
            continue
        send("done", np.asarray(found), time.process_time() - started)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    serve()
