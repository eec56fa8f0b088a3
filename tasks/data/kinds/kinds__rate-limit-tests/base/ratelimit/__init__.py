# SPDX-License-Identifier: MIT
from .bucket import Bucket
from .limiter import Limiter

__all__ = ["Bucket", "Limiter"]
