# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""From a vault to its repository, and from the store's errors to ours."""

from collections.abc import Iterator
import contextlib
import os
import uuid

from csbs import exception
from csbs.actions.runtime import Runtime
from csbs.domain import model
from csbs.store import errors
from csbs.store import repository


@contextlib.contextmanager
def opened(rt: Runtime, vault: model.Vault) -> Iterator[repository.Repository]:
    """Give a vault's repository, made at its first use.

    The store's errors, also those of the block, come out as csbs' own.

    :raises KeyMissing: when the vault's key can't be had
    :raises KeyWrong: when it does not fit
    :raises StoreUnreadable: StoreUnwritable or StoreDamaged, as they say
    """
    key = rt.keys.get(vault.key_ref)
    with translated():
        yield repository.Repository.create(
            rt.objects(vault.id), uuid.UUID(vault.id), key, _options(rt)
        )


def destroy(rt: Runtime, vault: model.Vault) -> None:
    """Remove all of a vault's objects; its key is not needed for that.

    :raises StoreUnreadable: StoreUnwritable or StoreDamaged, as they say
    """
    with translated():
        repository.destroy(rt.objects(vault.id))


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn the store's errors into those users see."""
    try:
        yield
    except errors.WrongKey as error:
        raise exception.KeyWrong() from error
    except errors.LeaseLost as error:
        raise exception.TaskLost() from error
    except errors.StoreUnwritable as error:
        raise exception.StoreUnwritable(reason=error) from error
    except errors.StoreUnreadable as error:
        raise exception.StoreUnreadable(reason=error) from error
    except errors.StoreError as error:
        raise exception.StoreDamaged(reason=error) from error


def _options(rt: Runtime) -> repository.Options:
    section = rt.conf.store
    return repository.Options(
        chunk_size=section.chunk_size,
        zstd_level=section.compression_level,
        threads=section.threads or min(4, os.cpu_count() or 1),
        bandwidth=section.bandwidth,
        memory=section.memory,
        waste_share=section.waste_share,
    )
