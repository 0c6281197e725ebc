"""Whether the processes of a TrainJob find one another: each adds its rank, and all must see the same sum.

torchrun --standalone --nproc-per-node=2 allreduce.py
"""

import os

import torch
import torch.distributed as dist

with_gpu = torch.cuda.is_available()
dist.init_process_group("nccl" if with_gpu else "gloo")
rank, size = dist.get_rank(), dist.get_world_size()
device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if with_gpu else torch.device("cpu")
total = torch.tensor([float(rank)], device=device)
dist.all_reduce(total)
expected = size * (size - 1) / 2
dist.destroy_process_group()
if total.item() != expected:
    raise SystemExit(f"rank {rank} of {size}: the sum of ranks is {total.item()}, and should be {expected}")
# One write a line: the ranks share one output, and print() writes the line and its end apart.
print(f"rank {rank} of {size}: all ranks found one another\n", end="", flush=True)
