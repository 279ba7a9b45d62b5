/** The picker in a notebook's toolbar: `research · cuda ▾`, and a menu that says what is free, hot and queued. */
import type { NotebookPanel } from '@jupyterlab/notebook';
import { Widget } from '@lumino/widgets';
import { button, onFrame, say } from '../card/dom';
import { type MenuItem, openMenu } from '../card/menu';
import { heat, joined, known } from '../model/units';
import type { Backend, Backends, Telemetry } from '../model/types';
import type { Workbench } from '../model/workbench';
import type { Trans } from '../model/words';
import { seenOf } from '../panel/facts';
import { type Placement, placementOf } from './place';

/** How a backend is, in a line: what is free, who waits, how hot. */
export function backendWords(backend: Backend, told: Backends, telemetry: Telemetry | null, trans: Trans): string {
  const { celsius, slowed } = seenOf(backend, told.backends, telemetry, told.time, Date.now() / 1000, trans);
  const whole = (value: number) => Number(value.toFixed(1)).toLocaleString('en-US');
  const unit = backend.name === 'cpu' ? trans.__('cores') : (backend.models[0] ?? '');
  const parts = [
    known(backend.free) && known(backend.total)
      ? trans.__('%1 of %2 %3 free', whole(backend.free), whole(backend.total), unit)
      : trans.__('free not known'),
    backend.queued ? trans._n('%1 waits', '%1 wait', backend.queued) : '',
    known(celsius) ? joined(heat(celsius)) : '',
    slowed ? trans.__('slowed') : ''
  ];
  return parts.filter(Boolean).join(' · ');
}

export class Picker extends Widget {
  constructor(
    panel: NotebookPanel,
    private _workbench: Workbench,
    private _trans: Trans,
    private _more: () => MenuItem[] = () => []
  ) {
    super();
    this.addClass('jp-Sovlab');
    this.addClass('jp-Sovlab-picker');
    this._placement = placementOf(panel);
    this._button = button('', () => this._open(), {
      title: _trans.__('Where cells of this notebook are submitted to'),
      'aria-haspopup': 'menu',
      'aria-expanded': 'false'
    });
    // The toolbar takes arrow keys for itself.
    this._button.addEventListener('keydown', event => {
      if (event.key === 'ArrowDown') {
        this._open();
        event.preventDefault();
        event.stopPropagation();
      }
    });
    this.node.append(this._button);
    _workbench.changed.connect(this._update, this);
    this._placement.changed.connect(this._update, this);
    this._update();
    void panel.context.ready.then(() => this._update());
  }

  dispose(): void {
    this._workbench.changed.disconnect(this._update, this);
    this._placement.changed.disconnect(this._update, this);
    super.dispose();
  }

  private get _target(): string {
    return this._placement.get().target || this._workbench.targets?.current || '';
  }

  private _update = onFrame(() => {
    const { backend } = this._placement.get();
    const target = this._target;
    const text = target ? `${target} · ${backend || 'auto'} ▾` : 'sovlab ▾';
    say(this._button, text);
    this._button.setAttribute('aria-label', this._trans.__('Submit to %1', text.replace(' ▾', '')));
    this.setHidden(this._workbench.link === 'absent' && !this._workbench.targets);
  });

  private async _open(): Promise<void> {
    const target = this._target;
    const told = this._workbench.backendsOf(target);
    if (!told) {
      this._button.disabled = true;
      await this._workbench.refreshBackends(target);
      this._button.disabled = false;
    } else if (Date.now() / 1000 - told.time > 30) {
      void this._workbench.refreshBackends(target);
    }
    openMenu(this._button, this._items(target), this._trans.__('Where to submit to'));
  }

  private _items(target: string): MenuItem[] {
    const trans = this._trans;
    const told = this._workbench.backendsOf(target);
    const telemetry = this._workbench.telemetryOf(target);
    const place = this._placement.get();
    const pick = (backend: string) => () => this._placement.set({ target: place.target, backend });
    const backends = told?.backends ?? [];
    const mark = (chosen: boolean) => (chosen ? '✓ ' : '');
    const items: MenuItem[] = [
      {
        label: `${mark(!place.backend)}auto`,
        note: told?.auto_why || trans.__('the best that %1 has free', target),
        run: pick('')
      }
    ];
    for (const backend of backends.filter(each => each.total || each.free)) {
      items.push({
        label: mark(place.backend === backend.name) + backend.name,
        note: backendWords(backend, told!, telemetry, trans),
        run: pick(backend.name)
      });
    }
    const none = backends.filter(each => !each.total && !each.free).map(each => each.name);
    if (none.length) {
      items.push({ label: none.join(', '), note: trans.__('none on this target'), disabled: true, run: () => undefined });
    }
    const targets = this._workbench.targets?.targets ?? [];
    if (targets.length > 1) {
      for (const each of targets) {
        items.push({
          label: `${mark(each.name === target)}${trans.__('Target %1', each.name)}`,
          note: each.where,
          run: () => {
            const own = each.name === this._workbench.targets?.current;
            this._placement.set({ target: own ? '' : each.name, backend: '' });
            void this._workbench.refreshBackends(each.name);
          }
        });
      }
    }
    return [...items, ...this._more()];
  }

  private _button: HTMLButtonElement;
  private _placement: Placement;
}
