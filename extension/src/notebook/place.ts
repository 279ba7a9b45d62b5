/** Where a notebook's cells are submitted to: what the user has picked, kept in the notebook's metadata. */
import type { NotebookPanel } from '@jupyterlab/notebook';
import { Signal } from '@lumino/signaling';

/** A target and a backend; an empty name is the user's own default, and `auto`. */
export interface Place {
  target: string;
  backend: string;
}

const KEY = 'sovlab';
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

export class Placement {
  constructor(private _panel: NotebookPanel) {}

  readonly changed = new Signal<this, Place>(this);

  get(): Place {
    const saved = this._own ?? this._panel.model?.getMetadata(KEY);
    const read = (value: unknown) => (typeof value === 'string' && NAME.test(value) ? value : '');
    return { target: read(saved?.target), backend: read(saved?.backend) };
  }

  /** The user has picked it: only then is something written, for it makes the notebook unsaved. */
  set(place: Place): void {
    const model = this._panel.model;
    if (!model || model.readOnly) {
      this._own = place;
    } else if (place.target || place.backend) {
      model.setMetadata(KEY, { ...place });
    } else {
      model.deleteMetadata(KEY);
    }
    this.changed.emit(place);
  }

  private _own: Place | null = null;
}

const placements = new WeakMap<NotebookPanel, Placement>();

/** The placement of a notebook; the same one for all that ask. */
export function placementOf(panel: NotebookPanel): Placement {
  let placement = placements.get(panel);
  if (!placement) {
    placement = new Placement(panel);
    placements.set(panel, placement);
  }
  return placement;
}

/** The flags of `%%sovsubmit` that say the same. */
export function flags(place: Place): string {
  const parts = [place.target && `--target ${place.target}`, place.backend && `--backend ${place.backend}`];
  return parts.filter(Boolean).join(' ');
}

/** Python that has `%%sovsubmit` without flags go to a place; the user's own default where none was picked. */
export function defaultsCode(place: Place): string {
  const values = { SOVLAB_TARGET: place.target, SOVLAB_DEFAULTS_BACKEND: place.backend };
  return Object.entries(values)
    .map(([name, value]) =>
      value
        ? `__import__("os").environ[${JSON.stringify(name)}] = ${JSON.stringify(value)}`
        : `__import__("os").environ.pop(${JSON.stringify(name)}, None)`
    )
    .join('\n');
}
