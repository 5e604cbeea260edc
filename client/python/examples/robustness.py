# %% [markdown]
# # Does a network that saw few cats lose more than its cats?
#
# Run it cell by cell in an editor that knows `# %%`, or as a program, in the
# folder of the sources. `ADV_SERVER` says where the server is.

# %%
import os

import numpy

import adv_client

client = adv_client.connect(os.environ.get("ADV_SERVER", "localhost:50051"))
info = client.get_server_info()
print(f"advserver {info.version} on {info.device}")

# %% [markdown]
# The built-in sample: a byte of label, then 3 x 32 x 32 bytes of pixels.

# %%
records = numpy.fromfile("model_store/zoo/cifar10-sample.bin",
                         numpy.uint8).reshape(-1, 3073)
labels = records[:, 0]
images = records[:, 1:].reshape(-1, 3, 32, 32)
names = list(info.datasets[0].class_names)

# %% [markdown]
# What both models make of five cats, before and after an attack.

# %%
cats = images[labels == names.index("cat")][:5]
for model in ("balanced", "no-cat"):
    clean = client.classify(cats, model, top_k=1)
    fooled = client.generate_adversarial(
        cats, model, labels=[names.index("cat")] * len(cats), epsilon="2/255")
    print(f"{model}:", [row[0] for row in clean.names], "->",
          [names[p] for p in fooled.predictions])

# %% [markdown]
# The same on 200 images, with progress on the way.

# %%
def show(progress):
    print(f"  {progress.samples_done} of {progress.samples_total}")


reports = {}
for model in ("balanced", "no-cat"):
    print(model)
    reports[model] = client.evaluate(model, "fgsm", 0.01, samples=200,
                                     progress=show)

# %% [markdown]
# Cats beside all other classes.

# %%
for model, evaluation in reports.items():
    result = evaluation.report.results[0]
    for row in result.per_class:
        if row.class_name == "cat":
            cat = row.outcomes
    print(f"{model:9} clean {result.overall.clean_accuracy.value:4.0%}, robust "
          f"{result.overall.robust_accuracy.value:4.0%}; cats "
          f"{cat.clean_accuracy.value:4.0%}, {cat.robust_accuracy.value:4.0%}")

# %% [markdown]
# The images behind the numbers: those that the attack changed least.

# %%
rows = adv_client.table(
    client.list_evaluation_records(reports["no-cat"].id))
attack = rows["attacks"][:, 0]
right = rows["prediction"] == rows["label"]
print(f"{(right & attack['success']).sum()} of {right.sum()} images that "
      f"were right are wrong now, at a mean L2 of {attack['l2'].mean():.2f}")
client.close()
