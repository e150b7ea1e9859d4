/* adapter.c: checks, then the calls. */
#include <string.h>

#include "arch/adapter.h"
#include "base/error.h"
#include "train/trainer.h"

static diffulm_status open_place(diffulm_model *model, const struct dulm_place *place,
                                 diffulm_adapter **out)
{
    if (!model || !out)
        return dulm_fail(DIFFULM_E_ARGUMENT, "adapter open: an argument is NULL");
    if (model->adapter)
        return dulm_fail(DIFFULM_E_STATE, "adapter open: the model has an adapter; merge it first");
    return dulm_adapter_read(model, place, out);
}

diffulm_status diffulm_adapter_open(diffulm_model *model, const char *folder, diffulm_adapter **out)
{
    dulm_error_clear();
    if (!folder)
        return dulm_fail(DIFFULM_E_ARGUMENT, "adapter open: an argument is NULL");
    return open_place(model, &(struct dulm_place){.folder = folder}, out);
}

diffulm_status diffulm_adapter_open_files(diffulm_model *model, const struct diffulm_files *files,
                                          diffulm_adapter **out)
{
    dulm_error_clear();
    struct diffulm_files known;
    diffulm_status rc = dulm_files_read(files, &known);
    return rc < 0 ? rc : open_place(model, &(struct dulm_place){.files = &known}, out);
}

static diffulm_status check_export(const diffulm_trainer *trainer, diffulm_adapter **out)
{
    dulm_error_clear();
    if (!trainer || !out)
        return dulm_fail(DIFFULM_E_ARGUMENT, "trainer or out is NULL");
    if (!trainer->adapters)
        return dulm_fail(DIFFULM_E_STATE, "this trainer has no adapter: its lora_rank is 0");
    return DIFFULM_OK;
}

diffulm_status diffulm_trainer_export_adapter(const diffulm_trainer *trainer, diffulm_adapter **out)
{
    diffulm_status rc = check_export(trainer, out);
    return rc < 0 ? rc : dulm_trainer_copy_adapter(trainer, trainer->values, out);
}

diffulm_status diffulm_trainer_export_adapter_ema(const diffulm_trainer *trainer,
                                                  diffulm_adapter **out)
{
    diffulm_status rc = check_export(trainer, out);
    if (rc == DIFFULM_OK)
        rc = dulm_trainer_check_averages(trainer);
    return rc < 0 ? rc : dulm_trainer_copy_adapter(trainer, trainer->averages, out);
}

diffulm_status diffulm_adapter_save(const diffulm_adapter *adapter, const char *folder)
{
    dulm_error_clear();
    if (!adapter || !folder)
        return dulm_fail(DIFFULM_E_ARGUMENT, "adapter save: an argument is NULL");
    return dulm_adapter_write(adapter, folder);
}

diffulm_status diffulm_adapter_attach(diffulm_adapter *adapter, diffulm_model **out)
{
    dulm_error_clear();
    if (!adapter || !out)
        return dulm_fail(DIFFULM_E_ARGUMENT, "adapter attach: an argument is NULL");
    return dulm_adapter_attach(adapter, out);
}

diffulm_status diffulm_adapter_merge(const diffulm_adapter *adapter, diffulm_model **out)
{
    dulm_error_clear();
    if (!adapter || !out)
        return dulm_fail(DIFFULM_E_ARGUMENT, "adapter merge: an argument is NULL");
    return dulm_merge_adapters(adapter->model, adapter->table, out);
}
