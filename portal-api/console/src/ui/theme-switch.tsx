import { Monitor, Moon, Sun } from 'lucide-react';
import { setTheme, type ThemeChoice, useTheme } from '#/lib/theme';
import { useWords } from '#/lib/words';
import { IconButton } from './button';

const NEXT: Record<ThemeChoice, ThemeChoice> = { system: 'light', light: 'dark', dark: 'system' };
const ICON = { system: Monitor, light: Sun, dark: Moon };
const LABEL = { system: 'ui.theme_system', light: 'ui.theme_light', dark: 'ui.theme_dark' } as const;

export function ThemeSwitch() {
  const t = useWords();
  const theme = useTheme();
  return <IconButton label={t(LABEL[theme])} icon={ICON[theme]} onPress={() => setTheme(NEXT[theme])} />;
}
