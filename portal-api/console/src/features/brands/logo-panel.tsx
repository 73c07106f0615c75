import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Trash2, Upload } from 'lucide-react';
import { useState } from 'react';
import { FileTrigger } from 'react-aria-components/FileTrigger';
import type { Brand } from '#/api/types';
import { formatBytes } from '#/lib/format';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Panel } from '#/ui/panel';
import { ErrorState } from '#/ui/states';
import { toast } from '#/ui/toast';
import { brandQuery, deleteLogo, logoAddress, putLogo } from './queries';

/** The server's bounds, said here so that they need not be found out. */
const LARGEST = 256 * 1024;
const TYPES = ['image/png', 'image/jpeg', 'image/webp'];

export function LogoPanel({ brand, mayEdit }: { brand: Brand; mayEdit: boolean }) {
  const t = useWords();
  const client = useQueryClient();
  const [tooLarge, setTooLarge] = useState<string | null>(null);
  async function changed(saved?: Brand) {
    if (saved) client.setQueryData(brandQuery(brand.id).queryKey, saved);
    await client.invalidateQueries({ queryKey: ['brands'] });
  }
  const put = useMutation({
    mutationFn: putLogo,
    onSuccess: async (saved) => {
      toast({ text: t('brands.logo_saved') });
      await changed(saved);
    },
  });
  const remove = useMutation({
    mutationFn: deleteLogo,
    onSuccess: async () => {
      toast({ text: t('brands.logo_removed') });
      await changed();
    },
  });
  function choose(files: FileList | null) {
    const file = files?.item(0);
    if (!file) return;
    remove.reset();
    put.reset();
    const isTooLarge = file.size > LARGEST;
    setTooLarge(isTooLarge ? t('brands.logo_too_large', { size: formatBytes(file.size) }) : null);
    if (!isTooLarge) put.mutate({ id: brand.id, file });
  }
  const failed = put.error ?? remove.error;
  return (
    <Panel title={t('brands.logo')}>
      <div className="flex flex-col items-start gap-3">
        {brand.logo_size === null ? (
          <p className="text-sm text-ink-2">{t('brands.no_logo')}</p>
        ) : (
          <>
            <div
              className="flex h-24 w-full items-center justify-center rounded-control border border-line p-4"
              style={{ backgroundColor: brand.background }}
            >
              <img
                src={logoAddress(brand)}
                alt={t('brands.logo_of', { name: brand.name })}
                className="max-h-full max-w-full object-contain"
              />
            </div>
            <p className="numeric text-xs text-ink-3">{formatBytes(brand.logo_size)}</p>
          </>
        )}
        {mayEdit && (
          <>
            <p className="text-xs text-ink-3">{t('brands.logo_help')}</p>
            {tooLarge && (
              <p role="alert" className="text-sm text-bad-ink">
                {tooLarge}
              </p>
            )}
            {failed && <ErrorState compact error={failed} />}
            <div className="flex flex-wrap gap-2">
              <FileTrigger acceptedFileTypes={TYPES} onSelect={choose}>
                <Button icon={Upload} isPending={put.isPending}>
                  {t(brand.logo_size === null ? 'brands.logo_add' : 'brands.logo_change')}
                </Button>
              </FileTrigger>
              {brand.logo_size !== null && (
                <Button
                  look="quiet"
                  icon={Trash2}
                  onPress={() => remove.mutate(brand.id)}
                  isPending={remove.isPending}
                >
                  {t('brands.logo_remove')}
                </Button>
              )}
            </div>
          </>
        )}
      </div>
    </Panel>
  );
}
