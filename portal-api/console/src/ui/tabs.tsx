import { Tabs as AriaTabs, Tab, TabList, TabPanel, TabPanels } from 'react-aria-components/Tabs';

type Part = { id: string; label: string; count?: number; content: React.ReactNode };

type TabsProps = { label: string; parts: readonly Part[]; selected: string; onSelect: (id: string) => void };

export function Tabs({ label, parts, selected, onSelect }: TabsProps) {
  return (
    <AriaTabs
      selectedKey={selected}
      onSelectionChange={(key) => onSelect(String(key))}
      className="flex min-w-0 flex-col"
    >
      <TabList aria-label={label} className="flex gap-4 overflow-x-auto border-b border-line">
        {parts.map((part) => (
          <Tab
            key={part.id}
            id={part.id}
            className="-mb-px flex h-9 shrink-0 items-center gap-1.5 border-b-2 border-transparent text-sm font-medium whitespace-nowrap text-ink-2 outline-none hover:text-ink focus-visible:rounded-tag focus-visible:outline-2 focus-visible:-outline-offset-2 focus-visible:outline-focus selected:border-accent selected:text-ink touch"
          >
            {part.label}
            {part.count !== undefined && part.count > 0 && (
              <span className="numeric rounded-full bg-idle-soft px-1.5 text-xs text-idle-ink">
                {part.count}
              </span>
            )}
          </Tab>
        ))}
      </TabList>
      <TabPanels className="min-w-0">
        {parts.map((part) => (
          <TabPanel
            key={part.id}
            id={part.id}
            className="min-w-0 pt-4 outline-none focus-visible:outline-2 focus-visible:outline-focus"
          >
            {part.content}
          </TabPanel>
        ))}
      </TabPanels>
    </AriaTabs>
  );
}
