<<<<<<< HEAD
from ._forecast import epoch_costs as epoch_costs
from ._forecast import expected_seconds as expected_seconds
from ._forecast import relative_speed as relative_speed
=======
from ._ideas import ideas as ideas
from ._ideas import shown as shown
>>>>>>> 748bd51 (Own estimators and losses stand wherever one can be named)
from ._ledger import DamagedLine as DamagedLine
from ._ledger import Ledger as Ledger
from ._ledger import decode as decode
from ._ledger import encode as encode
from ._preparation import Prepared as Prepared
from ._preparation import distorted as distorted
from ._preparation import initial_model as initial_model
from ._preparation import n_validation as n_validation
from ._preparation import prepare as prepare
from ._progress import Progress as Progress
from ._progress import duration as duration
from ._progress import on_terminal as on_terminal
from ._running import reread as reread
from ._running import run as run
from ._sweep import SweepFailed as SweepFailed
from ._sweep import missing as missing
from ._sweep import sweep as sweep
from ._trial import GIVEN_BY_METHODS as GIVEN_BY_METHODS
from ._trial import PROTOCOL_VERSION as PROTOCOL_VERSION
from ._trial import SMOKE_IMAGES as SMOKE_IMAGES
from ._trial import Record as Record
from ._trial import Trial as Trial
from ._trial import in_profile as in_profile
from ._trial import trial as trial
from ._workers import local_pool as local_pool
