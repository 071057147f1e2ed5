/** Who asks and what for, as far as control knows both before policy is asked. */
import type { What, Who } from '../policy/coverage.ts';
import type { PeerId, ResourceId, UserId } from '../wire/ids.ts';

/** A person at a device that is connected by the tunnel. */
export interface Applicant extends Who {
  readonly user: UserId;
  readonly peer: PeerId;
}

/** A published resource and its device. */
export interface Place extends What {
  readonly resource: ResourceId;
}
