import { reading } from './made';
import * as units from '../model/units';

describe('numbers as people read them', () => {
  it.each([
    [85, '85 J'],
    [3599, '3,599 J'],
    [29_520, '8.2 Wh'],
    [158_400, '0.044 kWh'],
    [0, '0.0 J']
  ])('%d J is %s', (joules, shown) => {
    expect(units.joined(units.energy(joules))).toBe(shown);
  });

  it.each([
    [7.4, '7.4 W'],
    [802, '802 W'],
    [2100, '2.1 kW']
  ])('%d W is %s', (watts, shown) => {
    expect(units.joined(units.power(watts))).toBe(shown);
  });

  it('never shows what is not known as 0', () => {
    for (const unknown of [null, undefined, NaN, Infinity]) {
      expect(units.joined(units.energy(unknown))).toBe('—');
      expect(units.joined(units.power(unknown))).toBe('—');
      expect(units.joined(units.heat(unknown))).toBe('—');
      expect(units.bytes(unknown)).toBe('—');
      expect(units.duration(unknown)).toBe('—');
      expect(units.percent(unknown)).toBe('—');
      expect(units.time(unknown)).toBe('—');
      expect(units.utc(unknown)).toBe('');
    }
  });

  it.each([
    [0.04, '40 ms'],
    [0.4, '0.4 s'],
    [38, '38 s'],
    [218, '3 min 38 s'],
    [7500, '2 h 5 min'],
    [273_600, '3 d 4 h']
  ])('%d s is %s', (seconds, shown) => {
    expect(units.duration(seconds)).toBe(shown);
  });

  it.each([
    [1_200_000, '1.2 MB'],
    [999, '999 B'],
    [123_000, '123 kB'],
    [5e15, '5000 TB']
  ])('%d bytes are %s', (size, shown) => {
    expect(units.bytes(size)).toBe(shown);
  });

  it('says where a number is from, and of how much of the time', () => {
    expect(units.provenance(reading(5))).toBe('counted, NVML energy counter');
    expect(units.provenance(reading(5, 'J', { source: 'sampled', coverage: 0.5 }))).toBe(
      'sampled, NVML energy counter, 50 % of the time'
    );
    expect(units.provenance(reading(null))).toBe('not measured');
    expect(units.provenance({ source: 'forged' as never, method: '' })).toBe('not measured');
  });

  it('shows metrics with four digits, and texts that are short', () => {
    expect(units.metric(0.08412345)).toBe('0.08412');
    expect(units.metric(50)).toBe('50');
    expect(units.metric('nan')).toBe('nan');
    expect(units.metric('x'.repeat(100))).toHaveLength(40);
  });
});
