/** The row of power, heat and energy: one large number for each, with its source in small. */
import type { Sample } from '../model/curves';
import { deviceName, type Trans } from '../model/words';
import { highest, ofOneKind, total } from '../model/feed';
import type { Readings } from '../model/types';
import { type Amount, duration, energy, heat, joined, power, provenance } from '../model/units';
import { Curve } from './curve';
import { h, say, show } from './dom';

class Meter {
  constructor() {
    this._value = h('span', { class: 'jp-Sovlab-big' });
    this._unit = h('span', { class: 'jp-Sovlab-unit' });
    this._source = h('span', { class: 'jp-Sovlab-source' });
    this.node = h('div', { class: 'jp-Sovlab-meter' }, this._value, ' ', this._unit, ' ', this._source);
  }

  readonly node: HTMLElement;

  set(amount: Amount, source = ''): void {
    say(this._value, amount[0]);
    say(this._unit, amount[1]);
    say(this._source, source);
  }

  private _source: HTMLElement;
  private _unit: HTMLElement;
  private _value: HTMLElement;
}

export class Meters {
  /** @param large with more said of the numbers, as in the main area, which has curves of its own; else with small ones. */
  constructor(
    private _trans: Trans,
    private _large = false
  ) {
    this._power = new Curve(28, 'jp-mod-power');
    this._heat = new Curve(28, 'jp-mod-heat');
    this._row = h(
      'div',
      { class: _large ? 'jp-Sovlab-meters jp-mod-large' : 'jp-Sovlab-meters' },
      h('div', { class: 'jp-Sovlab-metered' }, this._watts.node, _large ? null : this._power.node),
      h('div', { class: 'jp-Sovlab-metered' }, this._celsius.node, _large ? null : this._heat.node),
      h('div', { class: 'jp-Sovlab-metered' }, this._energy.node)
    );
    this._slowed = h('div', { class: 'jp-Sovlab-hint' });
    this.node = h('div', {}, this._row, this._slowed);
  }

  readonly node: HTMLElement;

  /** @param now seconds since the epoch, for the age of what is shown. */
  set(readings: Readings | null, samples: readonly Sample[], now: number): void {
    const trans = this._trans;
    const devices = readings ? ofOneKind(readings.devices) : [];
    show(this._row, devices.length > 0);
    show(this._slowed, false);
    if (!readings || !devices.length) {
      return;
    }
    const age = now - readings.time;
    const old = age > 10 ? trans.__('%1 old', duration(age)) : '';
    const celsius = highest(devices.map(device => device.celsius));
    const hottest = devices.find(device => celsius !== null && device.celsius === celsius);
    const source = devices.find(device => device.power.value !== null)?.power;
    const count = devices.length > 1 ? `${devices.length} × ` : '';
    const names = new Set(devices.map(device => device.name).filter(Boolean));
    const what = names.size === 1 ? `${count}${[...names][0]}` : '';
    const parts = this._large ? [what, source ? provenance(source) : '', old] : [old];
    this._watts.set(power(total(devices.map(device => device.power.value))), parts.filter(Boolean).join(' · '));
    const where = hottest && devices.length > 1 ? trans.__('hottest, %1', deviceName(hottest)) : '';
    this._celsius.set(heat(celsius), this._large ? where : '');
    const joules = devices.find(device => device.joules.value !== null)?.joules;
    this._energy.set(
      energy(total(devices.map(device => device.joules.value))),
      joules ? provenance(joules) : trans.__('not measured')
    );
    this._watts.node.title = source ? `${what} ${provenance(source)}`.trim() : '';
    this._celsius.node.title = where;
    if (!this._large) {
      this._draw(samples);
    }
    const slowed = devices.filter(device => device.slowed.length);
    if (slowed.length) {
      const causes = [...new Set(slowed.flatMap(device => device.slowed))].join(', ');
      const whose = slowed.slice(0, 4).map(deviceName).join(', ');
      say(this._slowed, trans.__('Slowed now by %1: %2.', causes, whose));
      show(this._slowed, true);
    }
  }

  private _draw(samples: readonly Sample[]): void {
    const trans = this._trans;
    const label = (what: string, values: (number | null)[], shown: (value: number | null) => Amount) => {
      const told = values.filter((value): value is number => value !== null);
      const [low, high] = [Math.min(...told), Math.max(...told)];
      return told.length ? trans.__('%1 over the time: %2 to %3', what, joined(shown(low)), joined(shown(high))) : what;
    };
    const recent = samples.slice(-600);
    const curve = (key: 'watts' | 'celsius') =>
      recent.map(each => ({ time: each.time, value: each[key], marked: each.slowed }));
    this._power.draw(
      curve('watts'),
      label(trans.__('Power'), recent.map(each => each.watts), power)
    );
    this._heat.draw(
      curve('celsius'),
      label(trans.__('Temperature'), recent.map(each => each.celsius), heat)
    );
  }

  private _celsius = new Meter();
  private _energy = new Meter();
  private _heat: Curve;
  private _power: Curve;
  private _row: HTMLElement;
  private _slowed: HTMLElement;
  private _watts = new Meter();
}
