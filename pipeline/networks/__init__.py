"""Networks: pre-trained CNNs, their fine-tuning, and the features they compute of every image.

Steps: `backbone`, `finetune`, `features`.
"""
