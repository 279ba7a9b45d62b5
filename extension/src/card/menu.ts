/** A menu below a button: arrows, Home, End, Escape, and a click elsewhere closes it. */
import { h } from './dom';

export interface MenuItem {
  label: string;
  run: () => void;
  disabled?: boolean;
  /** What a second line says of it. */
  note?: string;
}

/** Open a menu below `anchor`; the focus comes back to it. */
export function openMenu(anchor: HTMLElement, items: readonly MenuItem[], label: string): void {
  const node = h('div', { class: 'jp-Sovlab-menu', role: 'menu', 'aria-label': label });
  const close = (focus: boolean) => {
    node.remove();
    anchor.setAttribute('aria-expanded', 'false');
    document.removeEventListener('pointerdown', outside, true);
    window.removeEventListener('blur', leave);
    document.removeEventListener('scroll', leave, true);
    if (focus) {
      anchor.focus();
    }
  };
  const outside = (event: Event) => {
    // In a shadow root, what was clicked is for the document the root's host.
    if (!event.composedPath().includes(node)) {
      close(false);
    }
  };
  const leave = () => close(false);
  for (const item of items) {
    const entry = h(
      'button',
      {
        type: 'button',
        class: 'jp-Sovlab-menu-item',
        role: 'menuitem',
        tabindex: -1,
        'aria-disabled': item.disabled ? 'true' : null
      },
      h('span', {}, item.label),
      item.note ? h('small', {}, item.note) : null
    );
    entry.addEventListener('click', () => {
      if (!item.disabled) {
        close(true);
        item.run();
      }
    });
    node.append(entry);
  }
  const entries = [...node.children] as HTMLElement[];
  node.addEventListener('keydown', event => {
    const at = entries.indexOf((node.getRootNode() as Document | ShadowRoot).activeElement as HTMLElement);
    const to: Record<string, number> = {
      ArrowDown: (at + 1) % entries.length,
      ArrowUp: (at - 1 + entries.length) % entries.length,
      Home: 0,
      End: entries.length - 1
    };
    if (event.key in to) {
      entries[to[event.key]].focus();
    } else if (event.key === 'Escape' || event.key === 'Tab') {
      close(true);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  });
  const root = anchor.getRootNode();
  // Where the card stands in a shadow root, its style does, too.
  (typeof ShadowRoot !== 'undefined' && root instanceof ShadowRoot ? root : document.body).append(node);
  const box = anchor.getBoundingClientRect();
  const left = Math.max(Math.min(box.right - node.offsetWidth, innerWidth - node.offsetWidth - 4), 4);
  const below = box.bottom + 2;
  const top = below + node.offsetHeight > innerHeight ? Math.max(box.top - node.offsetHeight - 2, 4) : below;
  node.style.left = `${left}px`;
  node.style.top = `${top}px`;
  anchor.setAttribute('aria-expanded', 'true');
  document.addEventListener('pointerdown', outside, true);
  document.addEventListener('scroll', leave, true);
  window.addEventListener('blur', leave);
  entries[0]?.focus();
}
