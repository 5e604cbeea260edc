"""A thin client of advserver: numpy in, numpy out.

    import adv_client

    with adv_client.connect("localhost:50051") as client:
        seen = client.classify(images, model="balanced")
        fooled = client.generate_adversarial(images, "balanced",
                                             epsilon="8/255")
        evaluation = client.evaluate("no-cat", attacks=["fgsm"],
                                     epsilons=[0.01])
        print(evaluation.report.results[0].overall.robust_accuracy.value)

Images are uint8 (0 to 255) or float32 (0 to 1), of the height and width that
the model takes: [N, H, W, 3] or [N, 3, H, W], 1 in place of 3 for a model of
gray images, or one image without N. Failed calls raise grpc.RpcError.
"""

from adv_client.client import (Adversarial, Classes, Client, connect,
                               parse_epsilon)

__all__ = ["Adversarial", "Classes", "Client", "connect", "parse_epsilon"]
